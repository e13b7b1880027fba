"""An artifact repository that hands out only the files that were admitted.

Files are fetched into a folder of their own, hashed there, and those that were hashed are handed
out: what is swapped in the storage meanwhile is in nobody's hands. One file of a model is held
against its entry in the manifest, which is known once the whole model was seen.
"""

import os
import shutil
import tempfile
import threading
from collections import OrderedDict
from pathlib import Path, PurePosixPath
from typing import Any, Final

from mlflow.entities import FileInfo
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repo import ArtifactRepository

from tidegate.app.admitted import open_evidence, plugin_settings
from tidegate.core.artifact.hashing import hash_file
from tidegate.core.artifact.manifest import Manifest, ManifestEntry
from tidegate.core.digest import Digest
from tidegate.core.errors import ProofError, SubjectError
from tidegate.mlflow_plugin.addresses import Address
from tidegate.mlflow_plugin.answers import denied, refusing
from tidegate.mlflow_plugin.files import matching, repository

_KEPT: Final = 64


class _Seen:
    """Manifests of models that this process saw whole, the newest of them."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, Manifest] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, digest: Digest) -> Manifest | None:
        with self._lock:
            return self._known.get(str(digest))

    def add(self, manifest: Manifest, digest: Digest) -> None:
        with self._lock:
            self._known[str(digest)] = manifest
            while len(self._known) > _KEPT:
                self._known.popitem(last=False)


_seen: Final = _Seen()


class VerifiedArtifacts(ArtifactRepository):
    """Artifacts of ``tidegate://WHAT?src=URI``; see :mod:`.addresses`."""

    def __init__(
        self, artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None
    ) -> None:
        super().__init__(artifact_uri, tracking_uri, registry_uri)
        with refusing("address"):
            self._address = Address.parse(artifact_uri)
        self._inner = repository(self._address.source, tracking_uri, registry_uri)

    def log_artifact(self, local_file: Any, artifact_path: Any = None) -> None:  # noqa: ARG002
        """Refuse: what was admitted does not change."""
        raise _fixed()

    def log_artifacts(self, local_dir: Any, artifact_path: Any = None) -> None:  # noqa: ARG002
        """Refuse: what was admitted does not change."""
        raise _fixed()

    def delete_artifacts(self, artifact_path: Any = None) -> None:  # noqa: ARG002
        """Refuse: what was admitted does not change."""
        raise _fixed()

    def list_artifacts(self, path: str | None = None) -> list[FileInfo]:
        """List the admitted files under a path, one level, whatever lies beside them."""
        below = self._inside(path or "")
        manifest = self._manifest(self._wanted())
        found: dict[str, FileInfo] = {}
        for entry in manifest.entries:
            if not _is_below(entry.path, below) or entry.path == below:
                continue
            rest = entry.path[len(below) :].lstrip("/")
            head, _, more = rest.partition("/")
            shown = str(PurePosixPath(path or "") / head)
            found[shown] = FileInfo(shown, bool(more), None if more else entry.size)
        return list(found.values())

    def download_artifacts(self, artifact_path: str, dst_path: str | None = None) -> str:
        """Fetch, verify and hand out a file or folder; nothing is written where it is refused.

        Raises:
            MlflowException: The evidence says no, or the bytes are others.
        """
        below, digest = self._inside(artifact_path), self._wanted()
        with tempfile.TemporaryDirectory(prefix="tidegate-mlflow-") as place:
            known = _seen.get(digest)
            if known is not None and below in {entry.path for entry in known.entries}:
                self._fetch_one(known, below, Path(place, "file"))
                return str(_place(Path(place, "file"), _target(dst_path), artifact_path))
            folder, manifest = self._fetch_all(digest, place)
            entries = [entry for entry in manifest.entries if _is_below(entry.path, below)]
            if not entries:
                raise denied("download", f"there is no {below[:200]} in the model", "list it")
            target = _target(dst_path)
            for entry in entries:
                rest = str(PurePosixPath(artifact_path) / entry.path[len(below) :].lstrip("/"))
                _place(folder / entry.path, target, rest)
        return str(target / artifact_path) if artifact_path else str(target)

    def _download_file(self, remote_file_path: str, local_path: str | os.PathLike[str]) -> None:
        """Fetch and verify one file."""
        below, digest = self._inside(remote_file_path), self._wanted()
        with tempfile.TemporaryDirectory(prefix="tidegate-mlflow-") as place:
            self._fetch_one(self._manifest(digest), below, Path(place, "file"))
            shutil.move(Path(place, "file"), local_path)

    def _wanted(self) -> Digest:
        """Return the digest that evidence allows under this address, now."""
        address = self._address
        with refusing(f"download of {address.name or address.what}"):
            plugin = plugin_settings(os.environ)
            if plugin.believes_server and address.digest is not None:
                return address.digest
            evidence = open_evidence(plugin)
            digest = address.digest or evidence.meaning(address.what)
            evidence.admitted(digest, address.name)
            return digest

    def _manifest(self, digest: Digest) -> Manifest:
        known = _seen.get(digest)
        if known is None:
            with tempfile.TemporaryDirectory(prefix="tidegate-mlflow-") as place:
                _, known = self._fetch_all(digest, place)
        return known

    def _fetch_all(self, digest: Digest, place: str) -> tuple[Path, Manifest]:
        """Fetch the whole model, and keep its manifest, whose digest vouches for it."""
        with refusing("download"):
            folder = Path(self._inner.download_artifacts("", dst_path=_new(place, "all")))
            if not folder.is_dir():
                raise SubjectError("not a folder", where=folder.name, slug="no-folder")
            manifest = matching(folder, digest)
            if manifest is None:
                raise _other_bytes(digest, "the model's files")
        _seen.add(manifest, digest)
        return folder, manifest

    def _fetch_one(self, manifest: Manifest, path: str, target: Path) -> None:
        entry = next((one for one in manifest.entries if one.path == path), None)
        with refusing("download"):
            if entry is None:
                raise SubjectError(
                    "there is no such file in the model", where=path[:200], slug="no-such-file"
                )
            fetched = Path(
                self._inner.download_artifacts(path, dst_path=_new(str(target.parent), "one"))
            )
            _check(fetched, entry, manifest.digest)
        shutil.move(fetched, target)

    def _inside(self, path: str) -> str:
        """Return a path from the model's folder on.

        Raises:
            MlflowException: It leads out of the model.
        """
        whole = PurePosixPath(self._address.subpath, path)
        if whole.is_absolute() or ".." in whole.parts:
            raise denied("download", "the path leads out of the model", "name a file of the model")
        return "" if str(whole) == "." else str(whole)


def _fixed() -> MlflowException:
    return denied("upload", "what was admitted does not change", "log a new model, and admit that")


def _check(path: Path, entry: ManifestEntry, model: Digest) -> None:
    if path.is_symlink():  # a link would be moved, not what was hashed behind it
        raise _other_bytes(model, entry.path)
    found = hash_file(path)
    if (found.sha256.hex, found.size) != (entry.sha256, entry.size):
        raise _other_bytes(model, entry.path)


def _other_bytes(digest: Digest, what: str) -> ProofError:
    return ProofError(
        "these are not the bytes that were admitted",
        where=what[:200],
        cause=f"{digest.short} was admitted",
        next_step="find out who changed them in the artifact storage; register the model anew",
        slug="other-bytes",
    )


def _target(given: str | None) -> Path:
    return Path(given or tempfile.mkdtemp(prefix="tidegate-verified-")).absolute()


def _new(place: str, name: str) -> str:
    folder = Path(place, name)
    folder.mkdir()
    return str(folder)


def _is_below(path: str, folder: str) -> bool:
    return not folder or path == folder or path.startswith(folder + "/")


def _place(file: Path, target: Path, path: str) -> Path:
    place = target / path
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(file, place)
    return place
