"""Running a call as an unprivileged user, also where the tests run as root."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tidegate.core.errors import TidegateError

NOBODY = 65_534

AsNobody = Callable[[Callable[[], object]], str]


@pytest.fixture
def as_nobody(tmp_path: Path) -> AsNobody:
    """Return a function that makes a call in a child without rights.

    It tells the code of the call's error, or what the call returned, as text.
    """
    if os.getuid() == 0:
        folder = tmp_path
        while folder != folder.parent and folder.stat().st_uid == 0:
            folder.chmod(folder.stat().st_mode | 0o055)
            folder = folder.parent

    def run(call: Callable[[], object]) -> str:
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                if os.getuid() == 0:
                    os.setgroups([])
                    os.setgid(NOBODY)
                    os.setuid(NOBODY)
                answer = str(call())
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
