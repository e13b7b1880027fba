"""What is kept of an admitted model, so that it can be asked about when its files are elsewhere.

Two documents, each a blob whose digest is signed with the admission: which code the files name
(:class:`CodeNames`, from the scan), and what the model resembles (:class:`Likeness`: the root over
its tensors, a sketch of its other bytes, the base models that its own configuration names).

>>> names = CodeNames((FileNames("model.pkl", "pickle", ("os:system",)),))
>>> CodeNames.parse(names.to_bytes()) == names
True
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from tidegate.core.canonical import Json, dumps, loads
from tidegate.core.digest import Digest, sha256
from tidegate.core.identity.reading import Fields
from tidegate.detect.supply.report import MAX_NAME, MAX_NAMES, FileReport
from tidegate.stats.resemblance import SIZE, Sketch
from tidegate.tensors.manifest import TensorManifest

NAMES_SCHEMA: Final = "tidegate/model-names/v1"
LIKENESS_SCHEMA: Final = "tidegate/model-likeness/v1"
MAX_BYTES: Final = 16 << 20
"""Size of a document."""
MAX_BASES: Final = 64
_MAX_FILES: Final = 10_000
_MAX_KEPT: Final = 40_000
"""Names that are kept of one model."""
_MAX_PATH: Final = 1_024
_WHAT: Final = "model-record"


@dataclass(frozen=True, slots=True)
class FileNames:
    """Code that loading one file would look up."""

    path: str
    format: str
    names: tuple[str, ...]
    """``module:name``, allowed or not."""
    cut: bool = False
    """Whether there were more."""


@dataclass(frozen=True, slots=True)
class CodeNames:
    """Code that loading a model would look up, by file."""

    files: tuple[FileNames, ...]
    """Those that name any."""
    cut: bool = False
    """Whether there is more than is kept: then an absent name proves nothing."""

    @classmethod
    def of(cls, reports: Sequence[FileReport]) -> Self:
        """Take them from a scan."""
        files: list[FileNames] = []
        kept, cut = 0, False
        for one in reports:
            if not (one.names or one.names_cut):
                continue
            room = len(files) < _MAX_FILES and len(one.path) <= _MAX_PATH
            if not room or kept + len(one.names) > _MAX_KEPT:
                cut = True
                continue
            kept += len(one.names)
            cut |= one.names_cut
            files.append(FileNames(one.path, one.format, one.names, one.names_cut))
        return cls(tuple(files), cut)

    def to_bytes(self) -> bytes:
        """Return the document."""
        files: list[Json] = [
            {"path": one.path, "format": one.format, "names": list(one.names), "cut": one.cut}
            for one in self.files
        ]
        return dumps({"schema": NAMES_SCHEMA, "cut": self.cut, "files": files})

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a document.

        Raises:
            VerificationError: It is none, or out of bounds.
        """
        fields = _opened(data, NAMES_SCHEMA)
        files = [Fields(one, _WHAT) for one in fields.array("files", limit=_MAX_FILES)]
        return cls(tuple(map(_file, files)), fields.flag("cut"))


def _file(fields: Fields) -> FileNames:
    names = fields.texts("names", limit=MAX_NAMES)
    if any(len(name) > MAX_NAME for name in names):
        raise fields.refuse("a name is too long", where="names")
    path = fields.text("path", limit=_MAX_PATH)
    return FileNames(path, fields.text("format", limit=64), names, fields.flag("cut"))


@dataclass(frozen=True, slots=True)
class TensorRoot:
    """A model as tensors: the root, and where the whole manifest is kept."""

    root: str
    """``sha256:…``, as :class:`tidegate.tensors.manifest.TensorManifest` computes it."""
    count: int
    manifest: Digest
    """Of the blob."""
    shape: str
    """``sha256:…`` over the tensors' names and shapes."""
    sketch: Sketch
    """Of the tensors' digests: exact for a model of few tensors."""

    @classmethod
    def of(cls, manifest: TensorManifest, kept: Digest) -> Self:
        """Take it from a manifest that is kept as a blob."""
        shape = sha256(dumps([[one.name, list(one.shape)] for one in manifest.entries]))
        digests = sorted({one.digest[:16] for one in manifest.entries})
        sketch = Sketch(tuple(digests[:SIZE]), len(digests))
        return cls(manifest.root, len(manifest.entries), kept, str(shape), sketch)

    def to_json(self) -> dict[str, Json]:
        """Return the fields."""
        return {
            "root": self.root,
            "count": self.count,
            "manifest": str(self.manifest),
            "shape": self.shape,
            **_of_sketch(self.sketch),
        }

    @classmethod
    def parse(cls, value: Json) -> Self:
        """Read what :meth:`to_json` wrote.

        Raises:
            VerificationError: It is something else.
        """
        fields = Fields(value, _WHAT)
        root, count = str(fields.digest("root")), fields.integer("count", low=1)
        manifest, shape = fields.digest("manifest"), str(fields.digest("shape"))
        return cls(root, count, manifest, shape, _sketch(fields))


@dataclass(frozen=True, slots=True)
class Likeness:
    """What a model can be told by when its name is another."""

    tensors: TensorRoot | None
    """Of its safetensors files; ``None`` where it has none."""
    sketch: Sketch
    """Of its other files that are large enough to tell anything."""
    whole: bool = True
    """Whether all bytes of those went into the sketch."""
    bases: tuple[str, ...] = ()
    """Models that its configuration says it was made from."""

    def to_bytes(self) -> bytes:
        """Return the document."""
        return dumps(
            {
                "schema": LIKENESS_SCHEMA,
                "tensors": self.tensors and self.tensors.to_json(),
                **_of_sketch(self.sketch),
                "whole": self.whole,
                "bases": list(self.bases),
            }
        )

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a document.

        Raises:
            VerificationError: It is none, or out of bounds.
        """
        fields = _opened(data, LIKENESS_SCHEMA)
        told = fields.any("tensors")
        tensors = None if told is None else TensorRoot.parse(told)
        sketch = _sketch(fields)
        bases = fields.texts("bases", limit=MAX_BASES)
        return cls(tensors, sketch, fields.flag("whole"), bases)


def _of_sketch(sketch: Sketch) -> dict[str, Json]:
    return {"sketch": list(sketch.hashes), "pieces": sketch.pieces}


def _sketch(fields: Fields) -> Sketch:
    return Sketch(fields.texts("sketch", limit=SIZE), fields.integer("pieces"))


def _opened(data: bytes, schema: str) -> Fields:
    fields = Fields(loads(data, what="a record of a model", limit=MAX_BYTES), _WHAT)
    if fields.text("schema", limit=64) != schema:
        raise fields.refuse("this version can't read it", where="schema")
    return fields
