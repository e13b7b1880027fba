"""The files behind an artifact URI, and their digest: the one that ``registry admit`` prints.

MLflow itself writes a file ``registered_model_meta`` into a local model folder that somebody
downloads. It is no part of what was admitted, nothing in it is run, and it is never handed out;
so it may be there.
"""

import os
import posixpath
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

from tidegate.core.artifact.manifest import Manifest, build_manifest
from tidegate.core.digest import Digest
from tidegate.core.errors import SubjectError

META: Final = "registered_model_meta"
_SERVES: Final = "_MLFLOW_SERVER_SERVE_ARTIFACTS"
_DESTINATION: Final = "_MLFLOW_SERVER_ARTIFACT_DESTINATION"


def repository(
    uri: str, tracking: str | None = None, registry: str | None = None
) -> ArtifactRepository:
    """Return MLflow's repository for a URI.

    Inside a server that serves artifacts, ``mlflow-artifacts:`` is its own storage: asking itself
    over HTTP would need credentials, and a second worker.
    """
    # That module loads this one, by its plug-in point.
    from mlflow.store.artifact.artifact_repository_registry import (  # noqa: PLC0415
        get_artifact_repository,
    )

    parts = urlsplit(uri)
    destination = os.environ.get(_DESTINATION)
    if parts.scheme == "mlflow-artifacts" and os.environ.get(_SERVES) and destination:
        path = posixpath.normpath("/" + parts.path).lstrip("/")
        uri = posixpath.join(destination, path)
    return get_artifact_repository(uri, tracking, registry)


@contextmanager
def at_hand(uri: str, tracking: str | None = None) -> Generator[Path]:
    """Give the folder with an artifact's files: where they are, or a copy that is gone after."""
    found = repository(uri, tracking)
    if isinstance(found, LocalArtifactRepository):
        yield _folder(Path(found.artifact_dir))
        return
    with tempfile.TemporaryDirectory(prefix="tidegate-mlflow-") as place:
        yield _folder(Path(found.download_artifacts("", dst_path=place)))


def manifests(folder: Path) -> tuple[Manifest, ...]:
    """Return what a folder may be: all of its files, or all but the one that MLflow adds.

    Raises:
        SubjectError: It holds what no artifact can; see ``core/artifact/walk.py``.
    """
    whole = build_manifest(folder)
    own = tuple(entry for entry in whole.entries if entry.path != META)
    return (whole,) if len(own) in {0, len(whole.entries)} else (whole, Manifest(own))


def matching(folder: Path, digest: Digest) -> Manifest | None:
    """Return the manifest of a folder that has this digest, or ``None``."""
    return next((one for one in manifests(folder) if one.digest == digest), None)


def _folder(path: Path) -> Path:
    if path.is_dir():
        return path
    raise SubjectError(
        "a registered model is a folder",
        where=path.name,
        next_step="register the folder that holds MLmodel",
        slug="no-folder",
    )
