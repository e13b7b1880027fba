"""What may lie in model files is approved, signed and installed from the command line."""

import json
from pathlib import Path

from tests.sites import Tidegate

FILE = b"\x80\x04cmy.models\nNet\n)\x81."
PACK = {
    "name": "mine",
    "entries": [{"global": "my.models:Net", "uses": ["new", "data"], "why": "x"}],
}


def test_an_approval_is_honoured_by_scans_in_its_workspace(tidegate: Tidegate) -> None:
    assert tidegate("init", "ws", "--unsealed").code == 0
    Path("f.pkl").write_bytes(FILE)
    assert tidegate("scan", "f.pkl", "-C", "ws").code == 1
    asked = ("scan", "approve", "my.models:Net", "--reason", "read", "-C", "ws")
    assert tidegate(*asked, "--dry-run").code == 0
    assert tidegate("scan", "f.pkl", "-C", "ws").code == 1
    assert tidegate(*asked, "--expires-in", "91d").code == 2
    assert tidegate("scan", "approve", "os:system", "--reason", "x", "-C", "ws").code == 2
    done = tidegate(*asked)
    assert (done.code, "my.models:Net" in done.out) == (0, True)
    held = tidegate("scan", "f.pkl", "-C", "ws")
    assert (held.code, "1 approved classes" in held.out) == (0, True)
    assert tidegate("scan", "f.pkl").code == 1
    assert "my.models:Net" in tidegate("scan", "packs", "list", "-C", "ws").out
    ended = tidegate("scan", "retract", "my.models:Net", "--reason", "x", "-C", "ws")
    assert (ended.code, tidegate("scan", "f.pkl", "-C", "ws").code) == (0, 1)
    again = tidegate("scan", "retract", "my.models:Net", "--reason", "x", "-C", "ws")
    assert again.code == 2


def test_a_pack_is_signed_verified_installed_and_shown(tidegate: Tidegate) -> None:
    assert tidegate("init", "ws", "--unsealed").code == 0
    Path("f.pkl").write_bytes(FILE)
    Path("pack.json").write_text(json.dumps(PACK))
    assert tidegate("scan", "packs", "verify", "pack.json", "-C", "ws").code == 5
    assert tidegate("scan", "packs", "verify", "none.json", "-C", "ws").code == 2
    signed = tidegate("scan", "packs", "sign", "pack.json", "--output", "p.dsse", "-C", "ws")
    assert signed.code == 0
    assert tidegate("scan", "packs", "verify", "p.dsse", "-C", "ws").code == 0
    install = ("scan", "packs", "install", "p.dsse", "--reason", "x", "-C", "ws")
    assert tidegate(*install, "--dry-run").code == 0
    assert tidegate("scan", "f.pkl", "-C", "ws").code == 1
    assert tidegate(*install).code == 0
    assert tidegate("scan", "f.pkl", "-C", "ws").code == 0
    assert "my.models:Net" in tidegate("scan", "packs", "show", "mine", "-C", "ws").out
    assert tidegate("scan", "packs", "show", "none", "-C", "ws").code == 2
