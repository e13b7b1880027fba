"""Files that are whole or absent, whatever crashes: write aside, fsync, rename, fsync the folder.

>>> from tempfile import TemporaryDirectory
>>> with TemporaryDirectory() as folder:
...     replace_file(Path(folder) / "head", b"42")
...     read_file(Path(folder) / "head", limit=10)
b'42'
"""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tidegate.core.errors import StoreError

try:
    import fcntl
except ImportError:  # a platform without it; there, one process at a time is the user's care
    fcntl = None  # type: ignore[assignment]  # the name is tested where it is used


def replace_file(path: Path, data: bytes) -> None:
    """Put bytes at a path, atomically and durably; missing folders are made.

    Raises:
        StoreError: The file system refused; what was there before is still there.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with aside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise _refused("written", path, error) from error


def read_file(path: Path, *, limit: int) -> bytes | None:
    """Read a file whole; ``None`` if there is none.

    Raises:
        StoreError: It is there, and larger than ``limit`` or can't be read.
    """
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _refused("read", path, error) from error
    if len(data) > limit:
        raise StoreError(f"a file is larger than {limit} bytes", where=str(path), slug="too-large")
    return data


@contextmanager
def locked(path: Path) -> Generator[None]:
    """Hold an exclusive lock file while the block runs; other processes wait.

    Raises:
        StoreError: The lock file can't be opened.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("ab")
    except OSError as error:
        raise _refused("locked", path, error) from error
    with file:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def sync_folder(folder: Path) -> None:
    """Make a rename in the folder durable, where the platform can."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refused(act: str, path: Path, error: OSError) -> StoreError:
    hint = "check free space and permissions of the folder"
    what, why = f"a file can't be {act}", error.strerror
    return StoreError(what, where=str(path), cause=why, next_step=hint, slug=act)
