"""OCI images: manifests and blobs of a layout on disk, each checked against its digest."""

from tidegate.interop.oci.layout import Layout
from tidegate.interop.oci.model import Descriptor, ImageSource, Manifest, Reference

__all__ = ["Descriptor", "ImageSource", "Layout", "Manifest", "Reference"]
