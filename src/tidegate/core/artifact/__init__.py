"""Artifacts: from paths to digests. Tables are apart, in :mod:`tidegate.tables`."""

from tidegate.core.artifact.blobs import BlobStore
from tidegate.core.artifact.hashing import FileHash, hash_file
from tidegate.core.artifact.manifest import Manifest, build_manifest, diff, verify
from tidegate.core.artifact.reference import Resolved, resolve

__all__ = [
    "BlobStore",
    "FileHash",
    "Manifest",
    "Resolved",
    "build_manifest",
    "diff",
    "hash_file",
    "resolve",
    "verify",
]
