"""Evidence that was changed, keys that nobody trusts any more, and wrong passphrases."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.e2e.refusals import Case, contents, refused, table
from tests.e2e.running import Cli
from tests.sites import Site

from tidegate.app.genesis import everything, found
from tidegate.app.trustees import next_version, publish
from tidegate.core.errors import TrustError
from tidegate.core.policy.directives import Quarantine

_WS = "-C ws"
_DIGEST = "sha256:" + "ab" * 32
_ACTS = (
    f"approve {_DIGEST} --for ingest/admit --reason x {_WS}",
    f"quarantine add {_DIGEST} --reason x {_WS}",
    f"waive grant TG-ING-02 --reason x --owner o {_WS}",
    f"ingest admit ws/data.csv {_WS}",
    f"registry admit ws/data.csv --name m --version 1 {_WS}",
    f"serve check ws/data.csv --deployed-as m/prod {_WS}",
)


@pytest.fixture
def proofs(site: Site, cli: Cli) -> str:
    """Evidence, a proof and a trust root beside the workspace; what the root is pinned by."""
    made = cli("evidence", "export", "ws/data.csv", "--output", "e.json", *_WS.split())
    assert made.code == 0, made
    assert cli("log", "prove", 2, "--output", "p.tlog-proof", *_WS.split()).code == 0
    assert cli("trust", "export", "t.json", *_WS.split()).code == 0
    return (cli.folder / "ws/.tidegate/trust-anchor").read_text().strip()


def _cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _flip(data: bytes) -> bytes:
    return data.replace(b"tidegate/", b"tidegame/", 1)


DAMAGES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "cut off": (_cut, "TG-VER/"),
    "not JSON": (lambda _: b"PK\x03\x04", "TG-VER/"),
    "empty": (lambda _: b"", "TG-VER/"),
    "of another kind": (lambda _: b'{"schema":"x"}', "TG-VER/"),
    "nested without end": (lambda _: b"[" * 100_000, "TG-VER/"),
    "changed": (_flip, "TG-VER/"),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("file", ["e.json", "t.json", "p.tlog-proof"])
def test_damaged_evidence_proves_nothing(file: str, damage: str, proofs: str, cli: Cli) -> None:
    path = cli.folder / file
    path.write_bytes(DAMAGES[damage][0](path.read_bytes()))
    lines = [f"verify e.json --trust t.json --pin {proofs}"] if file != "p.tlog-proof" else []
    if file != "e.json":
        lines.append(f"log verify-proof p.tlog-proof --trust t.json --pin {proofs}")
    for line in lines:
        before = contents(cli.folder)
        for ran in (cli(*line.split()), cli(*line.split(), "--format", "json")):
            assert ran.code == 5, ran
            assert file in ran.err + ran.out, ran
            assert len(ran.err.splitlines()) <= 12, ran
            assert "Traceback" not in ran.err, ran
        assert ran.json["code"].startswith("TG-VER"), ran
        assert contents(cli.folder) == before


def test_evidence_by_another_trust_root_proves_nothing(proofs: str, cli: Cli) -> None:
    stranger = found(cli.folder / "other", (everything("eve"),), environ={})
    pin = stranger.trust.digest
    stranger.engine.dispose()
    assert cli("trust", "export", "o.json", "-C", "other").code == 0
    for line in (
        f"verify e.json --trust o.json --pin {pin}",
        f"log verify-proof p.tlog-proof --trust o.json --pin {pin}",
        f"verify e.json --trust o.json --pin {proofs}",
        f"log verify-proof p.tlog-proof --trust t.json --pin {pin}",
    ):
        ran = cli(*line.split(), "--format", "json")
        assert (ran.code, ran.json["code"].partition("/")[0]) == (5, "TG-VER"), ran
    for line in ("verify e.json --trust t.json --pin nonsense",):
        refused(cli, Case(line, 2, "TG-SUB/bad-digest", "nonsense"))


def _json(change: Callable[[dict[str, object]], object]) -> Callable[[bytes], bytes]:
    def changed(data: bytes) -> bytes:
        document = json.loads(data)
        change(document)
        return json.dumps(document).encode()

    return changed


HOMES: dict[str, tuple[str, Callable[[bytes], bytes] | None, str]] = {
    "a trust root that is cut off": ("trust.json", _cut, "TG-VER/bad-json"),
    "a trust root without versions": (
        "trust.json", _json(lambda it: it.update(versions=[])), "TG-VER/bad-trust-chain"),
    "no trust root": ("trust.json", None, "TG-VER/no-trust-root"),
    "a pin of something else": (
        "trust-anchor", lambda _: f"{_DIGEST}\n".encode(), "TG-VER/wrong-anchor"),
    "a pin that is none": ("trust-anchor", lambda _: b"\xff\xfe", "TG-VER/no-anchor"),
    "no pin": ("trust-anchor", None, "TG-VER/no-anchor"),
}  # fmt: skip


@pytest.mark.parametrize("kind", HOMES)
def test_without_a_whole_trust_root_nothing_is_done(kind: str, site: Site, cli: Cli) -> None:
    name, damage, error = HOMES[kind]
    path = site.root / ".tidegate" / name
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage(path.read_bytes()))
    says = "trust.json" if error == "TG-VER/wrong-anchor" else name
    for line in (*_ACTS, f"log show {_WS}", f"trust show {_WS}"):
        refused(cli, Case(line, 5, error, says))


def test_a_key_that_the_trust_root_does_not_name_signs_nothing(site: Site, cli: Cli) -> None:
    site.open().keys.create("eve", passphrase=None)
    for line in _ACTS:
        refused(cli, Case(f"{line} --as eve", 5, "TG-VER/unknown-key", "trust root"))


def test_a_key_whose_time_is_over_signs_nothing(site: Site, cli: Cli) -> None:
    """By log time; a process that still has the trust root of before signs nothing either."""
    stale = site.open("ana")
    assert stale.principal.name == "ana"
    _end(site, "ana")
    with pytest.raises(TrustError, match="another trust root"):
        stale.act(Quarantine(digest=_DIGEST, reason="too late"))
    for line in _ACTS:
        refused(cli, Case(f"{line} --as ana", 5, "TG-VER/expired", "of ana"))


def _end(site: Site, principal: str) -> None:
    workspace = site.open()
    now = workspace.clock.now()
    keys = tuple(
        replace(key, valid_until=now) if key.principal == principal else key
        for key in workspace.trust.keys
    )
    publish(workspace, next_version(workspace.trust, keys=keys))
    workspace.engine.dispose()
    site.open().catch_up()


@table(
    *(Case(f"{line} --as nobody", 1, "TG-ACC/no-key", "nobody") for line in _ACTS),
    Case(f"keys new cy --as nobody {_WS}", 1, "TG-ACC/no-key", "nobody"),
    Case(f"keys rotate ana --as nobody {_WS}", 1, "TG-ACC/no-key", "nobody"),
    Case(f"trust revoke ana --from 0 --reason x --as nobody {_WS}", 1, "TG-ACC/no-key", "nobody"),
    Case(f"trust log-successor next --as nobody {_WS}", 1, "TG-ACC/no-key", "nobody"),
    Case(f"log serve --as nobody {_WS}", 1, "TG-ACC/no-key", "nobody"),
    Case(f"approve {_DIGEST} --for ingest/admit --reason x --as ../me {_WS}", 2,
         "TG-USE/bad-principal", "../me"),
    Case(f"ingest source add s --tier web --owner o --as bo {_WS}", 1, "TG-ACC/role", "bo"),
)  # fmt: skip
def test_an_unknown_principal_does_nothing(case: Case, site: Site, cli: Cli) -> None:
    refused(cli, case)


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with sealed keys, which nothing here changes."""
    folder = tmp_path_factory.mktemp("sealed")
    workspace = found(folder / "ws", (everything("me"),), unlock=lambda _: b"right", environ={})
    workspace.catch_up()
    workspace.engine.dispose()
    (folder / "data.csv").write_text("a,b\n1,0\n")
    for name, text, mode in (
        ("right", "right\n", 0o600), ("wrong", "wrong\n", 0o600), ("none", "", 0o600),
        ("public", "right\n", 0o644), ("long", "x" * 5_000, 0o600),
    ):  # fmt: skip
        (folder / name).write_text(text)
        (folder / name).chmod(mode)
    return folder


PASSPHRASES = {
    "": (1, "TG-ACC/passphrase-needed", "key"),
    "--passphrase-file wrong": (1, "TG-ACC/bad-passphrase", "key"),
    "--passphrase-file none": (1, "TG-ACC/passphrase", "none"),
    "--passphrase-file long": (1, "TG-ACC/passphrase", "long"),
    "--passphrase-file nope": (1, "TG-ACC/passphrase", "nope"),
    "--passphrase-file public": (1, "TG-ACC/passphrase-open", "public"),
    "--passphrase-fd 99": (1, "TG-ACC/passphrase", "99"),
    "--passphrase-fd 99 --passphrase-file right": (2, "TG-USE/passphrase", "--passphrase-fd"),
}


@pytest.mark.parametrize("given", PASSPHRASES)
def test_a_sealed_key_opens_with_its_passphrase_alone(given: str, sealed: Path, cli: Cli) -> None:
    code, error, says = PASSPHRASES[given]
    here = replace(cli, folder=sealed)
    for line in (
        f"approve {_DIGEST} --for ingest/admit --reason x {_WS}",
        f"ingest admit data.csv {_WS}",
    ):
        refused(here, Case(f"{line} {given}", code, error, says))
    assert here("log", "show", "-C", "ws").code == 0, "reading needs no key"
