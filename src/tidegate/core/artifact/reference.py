"""From a path that somebody named to an artifact: name, kind, digests, facts.

>>> from pathlib import Path
>>> from tempfile import TemporaryDirectory
>>> with TemporaryDirectory() as folder:
...     file = Path(folder) / "model.pkl"
...     _ = file.write_bytes(b"tide")
...     found = resolve(file)
...     found.kind, found.digest.short, found.annotations["size"]
('model', 'sha256:8a28929ac7f9', 4)
"""

import os
import re
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tidegate.core.artifact.hashing import Hasher, hash_fd, opened
from tidegate.core.artifact.manifest import Manifest, build_manifest
from tidegate.core.artifact.refusals import not_opened, refusal, shown
from tidegate.core.artifact.walk import Limits, Links
from tidegate.core.canonical import Json
from tidegate.core.digest import Digest

KINDS = (
    "dataset", "table", "transform", "code", "environment", "model", "index", "policy", "image",
    "report",
)  # fmt: skip
"""What an artifact can be."""

_SUFFIXES = {
    "table": ".csv .tsv .jsonl .ndjson .parquet .pq",
    "model": ".pkl .pickle .joblib .dill .skops .pt .pth .ckpt .safetensors .onnx .gguf .h5 .keras"
    " .tflite .pmml .mlmodel .cbm .ubj .npz .npy",
    "code": ".py .ipynb .sql .sh .r .jl .scala .rs .go .js .ts",
    "environment": ".lock",
    "index": ".faiss .hnsw .ann",
    "policy": ".cel .rego .cedar",
    "image": ".oci",
    "report": ".html .pdf .md .sarif",
}
_BY_SUFFIX = {suffix: kind for kind, text in _SUFFIXES.items() for suffix in text.split()}
_ENVIRONMENTS = {"requirements.txt", "environment.yml", "pylock.toml", "dockerfile"}
_HEADER = re.compile(rb'\{"files":\d+,"format":"tidegate/manifest/')
_HEADER_START = 64
_WEIGHTS = (".safetensors", ".onnx", ".gguf", ".pt", ".pth", ".bin", ".pkl", ".joblib", ".keras")


Describe = Callable[[int, Path], tuple[Mapping[str, str], Mapping[str, Json]]]
"""From an open file to further digests by algorithm, and facts to sign with it."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """An artifact on disk, by its digest."""

    name: str
    """The path's last part."""
    kind: str
    """One of :data:`KINDS`: as the caller said, else a guess from the name."""
    digest: Digest
    """SHA-256: of the bytes of a file, of the manifest of a folder."""
    path: Path
    also: Mapping[str, str] = field(default_factory=dict[str, str])
    """Further digests by algorithm, in hexadecimal: ``blake3``, ``tidegate-table-v1``,
    ``tidegate-rows-v1``."""
    annotations: Mapping[str, Json] = field(default_factory=dict[str, Json])
    """Facts to sign with it: ``size``, and ``files`` or ``rows``, ``schema``, ``ignore``."""
    manifest: Manifest | None = None
    """The files of a folder."""


def resolve(
    path: str | os.PathLike[str],
    *,
    kind: str | None = None,
    describe: Describe | None = None,
    ignore: Sequence[str] = (),
    links: Links = Links.REFUSE,
    limits: Limits | None = None,
    hasher: Hasher = hash_fd,
) -> Resolved:
    """Look at a file or folder and return what a statement can be about.

    Args:
        path: Where it is; where it is itself a symbolic link, that is followed.
        kind: What it is, where the caller knows.
        describe: For a file: gives further digests and facts of the same bytes, such as a table's
            content digest (:func:`tidegate.tables.describe`).
        ignore: For a folder: patterns to leave out; recorded in its manifest.
        links: For a folder: what to do about symbolic links.
        limits: For a folder: where to give up.
        hasher: How files are hashed; a cached one may be handed in.

    Raises:
        EmptySubject: An empty file or folder.
        SubjectError: No such path, a special file, an unknown kind, a folder that holds what no
            artifact can, or what ``describe`` refuses.
        UnreadableSubject: It can't be read, or changed meanwhile.
    """
    if kind is not None and kind not in KINDS:
        raise refusal("unknown-kind", shown(kind))
    try:
        is_folder = stat.S_ISDIR(Path(path).stat().st_mode)
    except (OSError, ValueError) as error:
        raise not_opened(error, shown(path)) from None
    if not is_folder:
        return _file(Path(path), kind, describe, hasher)
    if describe is not None:
        raise refusal("is-a-folder", shown(path), "a table is one file")
    manifest = build_manifest(path, ignore=ignore, links=links, limits=limits, hasher=hasher)
    facts: dict[str, Json] = {"size": manifest.size, "files": len(manifest.entries)}
    return Resolved(
        name=_name(path),
        kind=kind or _guess_folder(manifest),
        digest=manifest.digest,
        path=Path(path),
        annotations=facts | ({"ignore": list(ignore)} if ignore else {}),
        manifest=manifest,
    )


def _file(path: Path, kind: str | None, describe: Describe | None, hasher: Hasher) -> Resolved:
    # One look before and one after both passes: all digests are of the same bytes.
    with opened(path) as (fd, _):
        value = hasher(fd, shown(path))
        if value.size == 0:
            raise refusal("empty-file", shown(path))
        # A folder's digest is that of these bytes: as a file they would stand for the folder.
        if _HEADER.match(os.pread(fd, _HEADER_START, 0)):
            raise refusal("manifest-header", shown(path))
        also, facts = describe(fd, path) if describe else ({}, {})
    return Resolved(
        name=_name(path),
        kind=kind or guess_kind(path.name),
        digest=value.sha256,
        path=path,
        also={"blake3": value.blake3.hex, **also},
        annotations={"size": value.size, **facts},
    )


def guess_kind(name: str) -> str:
    """Guess what a file is from its name; no check rests on it.

    >>> guess_kind("weights.safetensors"), guess_kind("uv.lock"), guess_kind("notes.txt")
    ('model', 'environment', 'dataset')
    """
    lower = name.lower()
    if lower in _ENVIRONMENTS:
        return "environment"
    return _BY_SUFFIX.get(Path(lower).suffix, "dataset")


def _guess_folder(manifest: Manifest) -> str:
    top = {entry.path for entry in manifest.entries if "/" not in entry.path}
    if top & {"pyproject.toml", "setup.py", "setup.cfg"}:
        return "code"
    if "MLmodel" in top or ("config.json" in top and any(n.endswith(_WEIGHTS) for n in top)):
        return "model"
    return "dataset"


def _name(path: str | os.PathLike[str]) -> str:
    # Not resolve(): a link is called what the caller calls it; only "." and ".." need a look.
    given = Path(path)
    return given.name if given.name not in {"", ".."} else given.resolve().name or "/"
