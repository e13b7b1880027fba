"""Running a call as an unprivileged user, also where the tests run as root."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tidegate.core.artifact.hashing import hash_file
from tidegate.core.artifact.manifest import build_manifest
from tidegate.core.artifact.reference import resolve
from tidegate.core.errors import TidegateError

CALLS: dict[str, Callable[[Path], object]] = {
    "hash": hash_file,
    "manifest": build_manifest,
    "resolve": resolve,
}
NOBODY = 65_534


@pytest.fixture
def as_nobody(tmp_path: Path) -> Callable[[str, Path], str]:
    """Return a function that makes a call in a child without rights, and tells its error code."""
    if os.getuid() == 0:
        folder = tmp_path
        while folder != folder.parent and folder.stat().st_uid == 0:
            folder.chmod(folder.stat().st_mode | 0o055) if folder != Path("/") else None
            folder = folder.parent

    def run(call: str, path: Path) -> str:
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                if os.getuid() == 0:
                    os.setgroups([])
                    os.setgid(NOBODY)
                    os.setuid(NOBODY)
                CALLS[call](path)
                answer = "no error"
            except TidegateError as error:
                answer = error.code
            except BaseException as error:  # noqa: BLE001 - a child of fork must not return
                answer = repr(error)
            os.write(write, answer.encode())
            os._exit(0)
        os.close(write)
        with os.fdopen(read) as pipe:
            answer = pipe.read()
        os.waitpid(child, 0)
        return answer

    return run
