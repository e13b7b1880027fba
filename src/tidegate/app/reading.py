"""Reading a file that a person named: bounded, and with an error that says what is wrong with it.

>>> read_file(Path("no/such/proof"), what="the proof", limit=1024)
Traceback (most recent call last):
...
tidegate.core.errors.SubjectError: the proof can't be read, at no/such/proof, because No such \
file or directory
"""

import errno
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tidegate.core.errors import SubjectError, UnreadableSubject, VerificationError

_NOT_THERE = frozenset(
    {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL}
)


def read_file(path: Path, *, what: str, limit: int, next_step: str = "check the path") -> bytes:
    """Read a file whole.

    Args:
        path: The file.
        what: What it should be, as people call it: ``the proof``.
        limit: Bytes; a larger file is refused, not cut.
        next_step: What to do when there is none.

    Raises:
        SubjectError: There is no such file, or it is too large.
        UnreadableSubject: It is there, and may not be read.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(limit + 1)
    except OSError as error:
        raise _refused(path, what, error, next_step) from None
    if len(data) > limit:
        raise SubjectError(
            f"{what} is larger than {limit} bytes",
            where=str(path),
            next_step=next_step,
            slug="too-large",
        )
    return data


def _refused(path: Path, what: str, error: OSError, next_step: str) -> SubjectError:
    missing = error.errno in _NOT_THERE
    kind, slug = (SubjectError, "no-such-file") if missing else (UnreadableSubject, "unreadable")
    return kind(
        f"{what} can't be read",
        where=str(path),
        cause=error.strerror,
        next_step=next_step if missing else "make it readable for this user",
        slug=slug,
    )


@contextmanager
def about(path: Path) -> Generator[None]:
    """Let errors about what is in a file name the file.

    Raises:
        VerificationError: What the block raised, with the file in its ``where``.
    """
    try:
        yield
    except VerificationError as error:
        error.where = f"{path}: {error.where}" if error.where else str(path)
        raise
