"""Container images: what a Dockerfile builds on, and what an image's manifest and layers say."""

from tidegate.detect.images.dockerfile_check import check_dockerfile
from tidegate.detect.images.image_check import ImageReport, check_image
from tidegate.detect.images.rules import DETECTOR, RULES, ImageWants

__all__ = [
    "DETECTOR",
    "RULES",
    "ImageReport",
    "ImageWants",
    "check_dockerfile",
    "check_image",
]
