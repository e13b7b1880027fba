"""A stamp: what the kernel says about a file, or all files of a folder, without reading them.

Two equal stamps say that nothing was written or put in another's place in between: no process
without root can set the time of a file's last change back. A digest can't say that: bytes that are
swapped for a moment and swapped back have the same one.

>>> from tempfile import TemporaryDirectory
>>> with TemporaryDirectory() as name:
...     file = Path(name, "a")
...     _ = file.write_text("tide")
...     before = stamp(file)
...     _ = file.rename(Path(name, "b")), Path(name, "b").rename(file)
...     (before == stamp(file), file.read_text())
(False, 'tide')
"""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from tidegate.core.artifact.hashing import FileKey


def stamp(path: Path) -> str:
    """Return a digest over names, inodes, sizes and times; empty where nothing can be seen.

    Whether it can be an artifact at all is for the resolver to say.
    """
    total = hashlib.sha256()
    try:
        for name, status in _seen(path):
            total.update(f"{os.fsencode(name)!r} {FileKey.of(status)}\n".encode())
    except OSError:
        return ""
    return total.hexdigest()


def _seen(path: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Yield what lies at a path, links not followed but the first."""
    yield "", path.stat()
    pending = [str(path)] if path.is_dir() else []
    while pending:
        folder = pending.pop()
        with os.scandir(folder) as found:
            items = sorted(found, key=lambda item: item.name)
        for item in items:
            yield item.path, item.stat(follow_symlinks=False)
            if item.is_dir(follow_symlinks=False):
                pending.append(item.path)
