"""Everything that can keep a path from being an artifact, each with its slug and remedy.

>>> refusal("special-file", "drop/pipe").code
'TG-SUB/special-file'
"""

import errno
import os

from tidegate.core.errors import EmptySubject, SubjectError, UnreadableSubject

_COPY = "replace the link by a copy of what it points to"
_SMALLER = "choose a smaller folder, or leave parts out with ignore patterns"
_FILE = "correct the file"
_SCHEMA = "correct the schema, or the file"

_WHY: dict[str, tuple[str, str]] = {
    "no-such-path": ("no such file or folder", "check the path"),
    "is-a-folder": ("it is a folder, not a file", "name a file in it"),
    "not-a-folder": ("it is no folder", "name a folder"),
    "empty-file": ("the file is empty", "check the path"),
    "empty-folder": ("there is no file in the folder", "check the path and the ignore patterns"),
    "manifest-header": ("its bytes are the digest of a folder, not data", "name the folder"),
    "unreadable": ("it can't be read", "give this user read permission"),
    "changed-while-read": ("it changed while it was read", "stop what writes it, or take a copy"),
    "special-file": ("it is a FIFO, socket or device", "remove it, or ignore it by a pattern"),
    "symlink": ("it is a symbolic link", _COPY),
    "link-outside": ("a symbolic link leads outside the folder", _COPY),
    "broken-link": ("a symbolic link leads nowhere", "remove it, or restore its target"),
    "loop": ("links or mounts lead in a circle", "remove the one that leads back up"),
    "name-not-utf8": ("a name is not UTF-8", "rename the file"),
    "name-control": ("a name has control or direction-changing characters", "rename the file"),
    "case-collision": ("two names differ only in case", "rename one of them"),
    "unicode-collision": ("two names differ only in Unicode form", "rename one of them"),
    "too-many-files": ("there are too many files", _SMALLER),
    "too-deep": ("folders nest too deep", _SMALLER),
    "path-too-long": ("a path is too long", _SMALLER),
    "unknown-kind": ("no kind of artifact has this name", "see tidegate.core.artifact.KINDS"),
    "unknown-format": ("no table format has this suffix", "use .csv, .tsv, .jsonl or .parquet"),
    "bad-range": ("the file has no such range of bytes", "ask for less"),
    "bad-schema": ("it is not a table schema", "infer one, and look it over"),
    "bad-columns": ("the columns are not the schema's", _SCHEMA),
    "bad-type": ("a column has another type than the schema says", _SCHEMA),
    "bad-value": ("a value is none of its column's type", _SCHEMA),
    "bad-table": ("it is not a well-formed table", _FILE),
    "rows-too-wide": ("rows are too wide to digest", "keep large objects in files of their own"),
}
_CLASSES = {
    "unreadable": UnreadableSubject,
    "changed-while-read": UnreadableSubject,
    "empty-file": EmptySubject,
    "empty-folder": EmptySubject,
}
_SLUGS = {
    **dict.fromkeys(
        (errno.ENOENT, errno.ENOTDIR, errno.EINVAL, errno.ENAMETOOLONG), "no-such-path"
    ),
    errno.ELOOP: "symlink",
    errno.ENXIO: "special-file",
}


def refusal(slug: str, where: str, cause: str | None = None) -> SubjectError:
    """Return the error of a case, of the right class."""
    problem, next_step = _WHY[slug]
    kind = _CLASSES.get(slug, SubjectError)
    return kind(problem, where=where, cause=cause, next_step=next_step, slug=slug)


def not_opened(error: OSError | ValueError, where: str) -> SubjectError:
    """Turn a failed open or read (``ValueError``: a NUL in the path) into a refusal."""
    code = (isinstance(error, OSError) and error.errno) or errno.EINVAL
    slug = _SLUGS.get(code, "unreadable")
    return refusal(slug, where, os.strerror(code).lower() if slug == "unreadable" else None)


def shown(path: str | os.PathLike[str]) -> str:
    """Write a path so that no terminal, log or report is upset by it."""
    text = os.fspath(path)
    return text if text.isprintable() else ascii(text)[1:-1]
