"""The vetting of classes sees what unpickling would run, and nothing in its way hides it."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tidegate.detect.supply import load_packs, scan_bytes
from tidegate.detect.supply.allow.vet import read_sources, vet_sources

HEAD = "import os, subprocess\nfrom pathlib import Path\n"

HARMFUL = {
    "a call": "class C:\n    def __setstate__(self, s): os.system(s)",
    "a method of a module": "class C:\n    def __setstate__(self, s): os.remove(s['x'])",
    "by another name": "run = os.system\nclass C:\n    def __setstate__(self, s): run(s)",
    "behind a function": (
        "def f(x): subprocess.run(x)\nclass C:\n    def __setstate__(self, s): f(s)"
    ),
    "behind a method": (
        "class C:\n    def _x(self, s): os.unlink(s)\n    def __setstate__(self, s): self._x(s)"
    ),
    "in a base": "class B:\n    def __del__(self): os.unlink(self.x)\nclass C(B): pass",
    "a setter": (
        "class C:\n    @property\n    def p(self): ...\n    @p.setter\n"
        "    def p(self, v): os.mkdir(v)"
    ),
    "assigned": "def f(self, s): ...\nclass C:\n    __setstate__ = f",
    "decorated hook": "class C:\n    @os.fsdecode\n    def __setstate__(self, s): ...",
    "decorated class": "@os.register\nclass C: pass",
    "a strange metaclass": "class C(metaclass=os.Meta): pass",
    "a strange base": "class C(os.PathLike2): pass",
    "a computed name": "class C:\n    def __setstate__(self, s): getattr(self, s['a'])()",
    "an import": "class C:\n    def __setstate__(self, s):\n        import evil",
    "what a file names": "class C:\n    def __setstate__(self, s): s['f'](1)",
    "a changed module": "class C:\n    def __setstate__(self, s): os.environ['A'] = s",
    "open": "class C:\n    def __setstate__(self, s): open(s)",
    "a path": "class C:\n    def __setstate__(self, s): Path(s).unlink()",
    "under try": (
        "try:\n    class C:\n        def __new__(cls): os.abort()\nexcept E:\n    class C: pass"
    ),
}
INERT = {
    "nothing": "class C: pass",
    "state": "class C:\n    def __setstate__(self, s): self.__dict__.update(s)",
    "branches": (
        "class C:\n    def __setstate__(self, s):\n        if isinstance(s, tuple): s = s[0]\n"
        "        for k, v in s.items(): setattr(self, k, v)\n        self.n = len(s)"
    ),
    "above": "class B:\n    def __setstate__(self, s): self.x = s\n"
    "class C(B):\n    def __setstate__(self, s):\n        super().__setstate__(s)",
    "helper": "def f(x): return dict(x)\nclass C:\n    def __setstate__(self, s): self.d = f(s)",
    "a dict": "class C(dict):\n    def __setitem__(self, k, v): dict.__setitem__(self, k, v)",
    "recursion": "def f(x): return f(x)\nclass C:\n    def __setstate__(self, s): f(s)",
}


NEWER = """import os
class Good: pass
class Worse:
    def __setstate__(self, s): os.system(s)
class New: pass
"""


@pytest.mark.parametrize("case", HARMFUL)
def test_what_reaches_beyond_the_instance_is_told(case: str) -> None:
    found = {item.name: item for item in vet_sources({"m": HEAD + HARMFUL[case]})}["m:C"]
    assert (found.inert, bool(found.rejected({}))) == (False, True)


@pytest.mark.parametrize("case", INERT)
def test_what_stays_in_the_instance_is_inert(case: str) -> None:
    found = {item.name: item for item in vet_sources({"m": HEAD + INERT[case]})}["m:C"]
    assert found.rejected({}) == ()


def test_a_review_excuses_one_hook_and_no_other() -> None:
    (found,) = vet_sources({"m": HEAD + HARMFUL["a call"]})
    assert found.rejected({"m:C.__setstate__": "read"}) == ()
    assert found.rejected({"m:D.__setstate__": "read"}) != ()


def test_enums_and_named_tuples_are_made_their_own_way() -> None:
    source = "from enum import Enum\nfrom typing import NamedTuple\n"
    source += "class E(Enum):\n    A = 1\nclass T(NamedTuple):\n    a: int\n"
    assert [(v.name, v.kind) for v in vet_sources({"m": source})] == [
        ("m:E", "enum"),
        ("m:T", "tuple"),
    ]


@pytest.mark.slow
def test_the_tool_writes_what_a_wheel_of_every_release_allows(tmp_path: Path) -> None:
    for version, body in (
        ("1.0", "class Good: pass\nclass Worse: pass\n"),
        ("1.1", NEWER),
    ):
        with zipfile.ZipFile(tmp_path / f"frame_work-{version}-py3-none-any.whl", "w") as wheel:
            wheel.writestr("fw/__init__.py", body)
            wheel.writestr("fw/tests/x.py", "class Test: pass")
    (wheel_file,) = tmp_path.glob("*1.1*")
    assert set(read_sources(wheel_file)) == {"fw"}
    root = Path(__file__).parents[3]
    plan = '[fw]\ndistribution = "frame-work"\npackages = ["fw"]\n'
    program = (root / "tools/vet_packs.py").read_text()
    (tmp_path / "vet_packs.toml").write_text(plan)
    (tmp_path / "vet_packs.py").write_text(program)
    (tmp_path / "data").mkdir()
    command: list[str | Path] = [sys.executable, tmp_path / "vet_packs.py", tmp_path, "--write"]
    command += ["--data", tmp_path / "data"]
    done = subprocess.run(
        command,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "fw:Worse: fw:Worse.__setstate__: line 4 calls os.system" in done.stdout
    pack = (tmp_path / "data/fw.json").read_text()
    assert '"global": ["fw:Good"]' in pack
    assert '"releases": "1.1"' in pack
    assert "Worse" not in pack


def test_boosters_that_are_listed_get_their_state_and_handles_are_not_forged() -> None:
    packs = load_packs()
    listed = {entry.name for pack in packs for entry in pack.entries}
    assert {"xgboost.core:Booster", "lightgbm.basic:Booster"} <= listed
    # Their destructors free a pointer that the state would choose.
    assert not listed & {"xgboost.core:DMatrix", "lightgbm.basic:Dataset"}
    forged = b"\x80\x04cxgboost.core\nDMatrix\n)\x81}X\x06\x00\x00\x00handleK\x01sb."
    assert scan_bytes(forged, "x").findings
