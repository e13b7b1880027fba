"""Take what a confined command left behind, trusting nothing about it.

Regular files with one link, under plain names, within bounds; anything else refuses the whole
output with its name, so that a hostile link or device never reaches the store.
"""

import os
import shutil
import stat
from contextlib import suppress
from pathlib import Path

from tidegate.core.errors import CheckError
from tidegate.sandbox.order import Limits

MAX_DEPTH = 32
"""Deepest folder that is taken, and that a command may make while it runs."""


def collect(source: Path, destination: Path, limits: Limits) -> tuple[str, ...]:
    """Copy the output folder and return the relative paths, sorted.

    The processes that could write to it must be gone.

    Raises:
        CheckError: It holds a link, a special file, a strange name, or more than the limits.
    """
    found: list[str] = []
    total = 0
    descriptor = os.open(source, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    pending = [(descriptor, "", 0)]
    try:
        while pending:
            folder, prefix, depth = pending.pop()
            try:
                for name in sorted(os.listdir(folder)):  # noqa: PTH208 - by descriptor
                    relative = f"{prefix}{name}"
                    info = os.stat(name, dir_fd=folder, follow_symlinks=False)
                    _judge(name, relative, info, depth)
                    if stat.S_ISDIR(info.st_mode):
                        child = os.open(
                            name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder
                        )
                        pending.append((child, f"{relative}/", depth + 1))
                        continue
                    total += info.st_size
                    found.append(relative)
                    if len(found) > limits.output_files or total > limits.output_bytes:
                        raise _refused(relative, "the output is larger than its limits")
                    _copy(name, folder, destination / relative)
            finally:
                os.close(folder)
    finally:
        for folder, _, _ in pending:
            os.close(folder)
    return tuple(sorted(found))


def discard(folder: Path) -> None:
    """Remove a folder with all that a command left in it, however deep and whatever its modes.

    A path may be longer than the kernel takes, and nested deeper than functions are: folders are
    moved up before they are emptied, so that each is one step away. What can't be removed stays.
    """
    number = 0
    with suppress(OSError):
        while below := [item for item in os.scandir(folder) if item.is_dir(follow_symlinks=False)]:
            for item in below:
                with suppress(OSError):
                    Path(item.path).chmod(0o700)
                for inner in list(os.scandir(item.path)):
                    if inner.is_dir(follow_symlinks=False):
                        number += 1
                        with suppress(OSError):
                            Path(inner.path).chmod(0o700)
                        Path(inner.path).rename(folder / f".discarded-{number}")
                    else:
                        Path(inner.path).unlink()
                Path(item.path).rmdir()
        for item in list(os.scandir(folder)):
            Path(item.path).unlink()
        folder.rmdir()


def _judge(name: str, relative: str, info: os.stat_result, depth: int) -> None:
    if not name.isprintable() or name != name.encode("utf-8", "surrogateescape").decode(
        "utf-8", "replace"
    ):
        raise _refused(ascii(relative), "its name has control characters or is not UTF-8")
    if depth >= MAX_DEPTH:
        raise _refused(relative, "it is nested too deep")
    if stat.S_ISDIR(info.st_mode):
        return
    if not stat.S_ISREG(info.st_mode):
        raise _refused(relative, "it is a link or a special file")
    if info.st_nlink != 1:
        raise _refused(relative, "it has more than one hard link")


def _copy(name: str, folder: int, destination: Path) -> None:
    destination.parent.mkdir(parents=True, exist_ok=True)
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    source = os.open(name, flags, dir_fd=folder)
    with os.fdopen(source, "rb") as reader, destination.open("xb") as writer:
        shutil.copyfileobj(reader, writer, 1 << 20)
    destination.chmod(0o644)


def _refused(path: str, why: str) -> CheckError:
    return CheckError(
        "the command left something that is not a plain file",
        where=path,
        cause=why,
        next_step="let the command write regular files only, below its output folder",
        slug="bad-output",
    )
