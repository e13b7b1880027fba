"""Logs that we write verify with Go's tlog and note packages, which know nothing of us."""

import os
import shutil
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tidegate.core.clock import FixedClock
from tidegate.core.ledger.entry import Entry
from tidegate.core.ledger.log import Log, PendingEntry
from tidegate.core.ledger.note import COSIGNATURE, ED25519, Note, NoteKey, NoteSigner
from tidegate.logbook.export import export
from tidegate.logbook.memory import MemoryLogStorage

pytestmark = pytest.mark.interop

PACKAGES = "golang-go golang-golang-x-mod-dev"
MODULES = Path("/usr/share/gocode/src/golang.org/x/mod/sumdb/tlog")


def note_signer(name: str, kind: int = ED25519) -> NoteSigner:
    private = Ed25519PrivateKey.from_private_bytes(sha256(name.encode()).digest())
    public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return NoteSigner(NoteKey(name, kind, public), private.sign)


SIGNER = note_signer("acme.example/log")


@pytest.fixture(scope="module")
def verifier(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The independent client, built from its source with Debian's packages, offline."""
    source = shared / "bench/supply/go_tlog_verify/main.go"
    if shutil.which("go") is None or not MODULES.is_dir() or not source.is_file():
        pytest.skip(f"no Go client to build: apt-get install -y {PACKAGES}")
    folder = tmp_path_factory.mktemp("go")
    binary = folder / "tlogv"
    settings = {
        "GO111MODULE": "off",
        "GOPATH": "/usr/share/gocode",
        "GOFLAGS": "-mod=",
        "GOCACHE": str(folder / "cache"),
    }
    command = ["go", "build", "-o", str(binary), str(source)]
    subprocess.run(command, check=True, env=os.environ | settings, timeout=300, cwd=folder)
    return binary


def make_log(size: int, *, first: int = 0) -> Log:
    log = Log(MemoryLogStorage("acme"), origin=SIGNER.key.name, clock=FixedClock(1), signer=SIGNER)
    grow(log, size, first=first)
    return log


def grow(log: Log, count: int, *, first: int = 0) -> None:
    entries = [Entry("attestation", "acme", tool=str(first + n)) for n in range(count)]
    log.append([PendingEntry(entry) for entry in entries])


def judge(verifier: Path, *args: object) -> tuple[int, str]:
    command = [str(verifier), *map(str, args)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 255, 256, 257, 1000, 66_000])
def test_every_entry_and_tile_verifies(verifier: Path, tmp_path: Path, size: int) -> None:
    export(make_log(size), tmp_path)
    code, said = judge(verifier, tmp_path, SIGNER.key.vkey)
    assert (code, said) == (0, f"OK acme.example/log size {size}, {size} entries checked\n")


@pytest.mark.slow
def test_each_head_is_consistent_with_the_ones_before(verifier: Path, tmp_path: Path) -> None:
    log, heads = make_log(3), []
    for count in (7, 250, 600):
        export(log, tmp_path / "log")
        heads.append(tmp_path / f"checkpoint.{log.head.size}")
        heads[-1].write_bytes(log.checkpoint())
        grow(log, count, first=10_000 + count)
    export(log, tmp_path / "log")
    for head in heads:
        code, said = judge(verifier, tmp_path / "log", SIGNER.key.vkey, head)
        assert code == 0, said
        assert said.startswith("OK consistency ")


@pytest.mark.slow
def test_the_client_refuses_what_we_would_refuse(verifier: Path, tmp_path: Path) -> None:
    """So that its yes means something."""
    export(make_log(300), tmp_path / "log")
    old = tmp_path / "old"
    old.write_bytes(make_log(100, first=5).checkpoint())
    assert judge(verifier, tmp_path / "log", SIGNER.key.vkey, old)[0] == 1
    assert judge(verifier, tmp_path / "log", note_signer("other.example").key.vkey)[0] == 1
    bundle = tmp_path / "log/tile/entries/000"
    bundle.write_bytes(bundle.read_bytes().replace(b'"tool":"7"', b'"tool":"8"'))
    code, said = judge(verifier, tmp_path / "log", SIGNER.key.vkey)
    assert code == 1
    assert "leaf" in said


@pytest.mark.slow
def test_a_cosigned_checkpoint_still_opens(verifier: Path, tmp_path: Path) -> None:
    """A client that knows no cosignatures ignores them."""
    log = make_log(20)
    witness = note_signer("witness.example/w1", COSIGNATURE)
    line = witness.sign_note(Note.parse(log.checkpoint()).text, seconds=1_800_000_000)
    log.cosign([line], [witness.key])
    export(log, tmp_path)
    assert b"witness.example/w1" in (tmp_path / "checkpoint").read_bytes()
    assert judge(verifier, tmp_path, SIGNER.key.vkey)[0] == 0
