"""What a command that reads no settings does not import."""

import subprocess
import sys

import pytest

_LOOK = "import sys, {module}; print([n for n in ('pydantic', 'http.client') if n in sys.modules])"


@pytest.mark.slow
@pytest.mark.parametrize("module", ["tidegate.cli.scan", "tidegate.sandbox.scan_cell"])
def test_a_scan_needs_neither_settings_nor_an_http_client(module: str) -> None:
    code = _LOOK.format(module=module)
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, check=True)
    assert done.stdout.strip() == b"[]"


def test_the_function_load_is_not_taken_for_a_module() -> None:
    import tidegate.config.reading  # noqa: PLC0415 - a submodule is an attribute from here on
    from tidegate.config import load  # noqa: PLC0415 - as above

    assert load is tidegate.config.reading.load
