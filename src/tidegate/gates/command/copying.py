"""Copy code file by file, through no link: what lies outside its folder is not code.

A folder on the way that is, or becomes, a link would bring any file that this process can read
before the eyes of the command, and a check beforehand could be outrun. So each part of a path is
opened by itself, without following.
"""

import os
import stat
from collections.abc import Iterable
from pathlib import Path
from shutil import copyfileobj

from tidegate.core.errors import SubjectError

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def copy_files(folder: Path, names: Iterable[str], destination: Path) -> None:
    """Copy regular files below a folder to the same names elsewhere.

    Raises:
        SubjectError: One of them is, or lies behind, a link, or is no file.
    """
    for name in names:
        target = destination / name
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            _copy(folder, Path(name).parts, target)
        except OSError as error:
            raise SubjectError(
                "a file of the code can't be copied",
                where=ascii(name)[:200],
                cause="it is, or lies behind, something that is no plain file or folder: "
                f"{error.strerror}",
                next_step="keep links, pipes and devices out of the code folder",
                slug="bad-code",
            ) from None


def _copy(folder: Path, parts: tuple[str, ...], target: Path) -> None:
    at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts[:-1]:
            at, above = os.open(part, _FOLDER, dir_fd=at), at
            os.close(above)
        with os.fdopen(os.open(parts[-1], _FILE, dir_fd=at), "rb") as source:
            mode = os.fstat(source.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise OSError(0, "it is a pipe or a device")
            with target.open("xb") as copy:
                copyfileobj(source, copy, 1 << 20)
            target.chmod(stat.S_IMODE(mode) & 0o755 | 0o444)
    finally:
        os.close(at)
