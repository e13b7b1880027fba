"""Every command answers people with text, and programs with one JSON document that it promises."""

import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.commands import Command, command_of, commands
from tests.sites import Ran, Site, Tidegate

from tidegate.core.policy.directives import Alias
from tidegate.core.policy.load import load_path
from tidegate.govern.policy.selftest import run_tests

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "json.md"
NO_FORMAT = {
    "completion": "it writes a script for a shell",
    "config schema": "what it writes is a JSON document already",
}
"""Commands without --format, each with the reason."""
ELSEWHERE = {
    "demo": "takes most of a minute: tests/e2e/test_demo.py",
    "drill run": "one line a drill: tests/e2e/test_drills.py",
    "log serve": "runs until it is interrupted: test_log.py",
    "log witness serve": "the same",
    "serve gateway": "the same",
    "serve webhook": "the same",
    "trust affected": "wants signed models: tests/unit/app/test_affected.py",
    "model sign": "wants keys: test_model_signing.py",
    "model check": "the same",
    "serve watch": "one line a look: tests/unit/app/test_replicas.py",
    "serve drain": "wants a spool: tests/unit/app/test_events.py",
    "serve released": "wants a release: tests/unit/admission/test_released.py",
    **dict.fromkeys(
        (
            "bom make",
            "bom show",
            "bom validate",
            "bom diff",
            "bom score",
            "bom convert",
            "bom merge",
            "bom vex show",
            "bom vex add",
            "bom vex merge",
        ),
        "wants documents: test_bom.py",
    ),
    "registry who-uses": "wants admitted models: test_registry_asking.py",
    "registry show": "the same",
    "registry prune": "wants admitted models: tests/unit/registry/test_retention.py",
    "deps advisories import": "wants advisories: test_deps.py",
    "deps advisories status": "the same",
    "serve gateway events": "wants a spool: tests/unit/gateway/test_cli.py",
}
"""Commands that no case below runs, each with the reason."""
WS = "-C ws"


def shown(command: Command) -> str:
    return str(command)


@pytest.mark.parametrize("command", commands().values(), ids=shown)
def test_every_command_offers_both(command: Command) -> None:
    offered = {"--format", "--json"} & command.flags
    if str(command) in NO_FORMAT:
        assert not offered, "strike it from the list"
    else:
        assert offered == {"--format", "--json"}


@pytest.mark.parametrize("command", commands().values(), ids=shown)
def test_every_document_is_promised(command: Command) -> None:
    """A command's help names its fields; those that report findings have a schema instead."""
    assert (command.promised is None) == (command.reports or str(command) in NO_FORMAT)


def test_every_field_is_explained() -> None:
    """One name means one thing in all commands, and stands on the page of the JSON output."""
    explained = set(re.findall(r"^\| `(\w+)`", PAGE.read_text("utf-8"), re.MULTILINE))
    promised = {
        name
        for command in commands().values()
        for field, inner in (command.promised or {}).items()
        for name in (field, *inner)
    }
    assert promised - explained == set(), f"explain them in {PAGE.name}"
    assert explained - promised == set(), "no command has these any more"


@dataclass(frozen=True)
class Group:
    """Commands that are run in their order, in one workspace."""

    name: str
    lines: tuple[str, ...]


GROUPS = (
    Group("start", (
        "init new --unsealed --principal ana=steward", "init other --unsealed --dry-run",
        f"doctor {WS}", "scan ws/data.csv",
    )),
    Group("scan rules", (
        f"scan approve my.models:Net --reason read {WS} --dry-run",
        f"scan approve my.models:Net --reason read {WS}", f"scan packs list {WS}",
        f"scan retract my.models:Net --reason gone {WS}",
        f"scan packs sign pack.json --output p.dsse {WS} --dry-run",
        f"scan packs sign pack.json --output p.dsse {WS}", f"scan packs verify p.dsse {WS}",
        f"scan packs install p.dsse --reason x {WS} --dry-run",
        f"scan packs install p.dsse --reason x {WS}", f"scan packs show mine {WS}",
    )),
    Group("ingest", (
        f"ingest source list {WS}", f"ingest source add lab --tier partner --owner ana {WS}",
        f"ingest source add lab --tier web --owner ana {WS} --dry-run",
        f"ingest source list {WS}", f"ingest source remove lab {WS}",
    )),
    Group("registry", (
        f"serve recalls recalls.json {WS} --dry-run", f"serve recalls recalls.json {WS}",
        f"registry list {WS}", f"registry rollback m/prod --to 1 --reason x {WS} --dry-run",
        f"registry rollback m/prod --to 1 --reason x {WS}",
    )),
    Group("successor", (
        f"trust log-successor next {WS} --dry-run", f"trust log-successor next {WS}",
    )),
    Group("models", (
        f"registry rescan ws {WS} --dry-run", "model tensors m.safetensors",
        "model tensors m.safetensors --file t.json",
        "model verify m.safetensors --manifest t.json", "model diff m.safetensors t.json",
            "model inspect m.safetensors", "model disarm m.safetensors r.safetensors",
    )),
    Group("gateway", ("serve gateway key shop", "serve gateway key shop --file callers")),
    Group("monitor", ("monitor profile numbers.csv --output profile.json",)),
    Group("log", (
        f"log show {WS}", f"log show --from 99 {WS}", f"log head {WS}",
        f"log head --output head {WS}", f"log prove 1 {WS}", f"log prove 1 --output proof {WS}",
        f"log verify-proof proof {WS}", f"log check {WS}", f"log export tiles {WS}",
    )),
    Group("witness", (
        "log witness init wit --name w.example/1 --unsealed --dry-run",
        "log witness init wit --name w.example/1 --unsealed", "log witness watch wit LOG_KEY",
        f"trust add-witness WITNESS_KEY {WS} --dry-run", f"trust add-witness WITNESS_KEY {WS}",
        f"log cosign {WS}", f"log cosign --request request {WS}",
        "log witness answer wit request --output answer",
        f"log cosign answer {WS}", f"log head {WS}",
    )),
    Group("proof", (
        f"graph trace ws/data.csv {WS}", f"graph taint ws/data.csv {WS}",
        f"graph draw all.svg {WS}", f"graph draw one.svg ws/data.csv {WS}",
        f"verify ws/data.csv {WS}",
        f"evidence export ws/data.csv --trust-file t.json {WS}",
        "verify evidence.json --trust t.json",
        "drill list",
    )),
    Group("keys", (
        f"keys list {WS}", f"keys new cy --roles steward {WS} --dry-run",
        f"keys new cy --roles steward {WS}", f"keys rotate cy {WS} --dry-run",
        f"keys rotate cy {WS}", f"keys models me {WS} --dry-run", f"keys models me {WS}",
        f"keys export cy {WS}", f"keys export cy --output cy.pem {WS}",
    )),
    Group("trust", (
        f"trust show {WS}", f"trust export trust.json {WS}", f"trust pull {WS} --dry-run",
        f"trust pull {WS}", f"trust revoke ana --from 2 --reason lost {WS} --dry-run",
        f"trust revoke ana --from 2 --reason lost {WS}",
        f"trust reinstate ana --reason found {WS}",
    )),
    Group("policy", (
        f"policy show {WS}", "policy check p.toml", "policy test p.toml",
        f"policy sign p.toml {WS} --dry-run", f"policy sign p.toml {WS}",
        "policy test untested.toml", f"policy sign untested.toml {WS}",
        f"policy what-if strict {WS}", f"policy explain 2 {WS}",
    )),
    Group("acts", (
        f"approve ws/data.csv --for ingest/admit --reason ok {WS} --dry-run",
        f"approve ws/data.csv --for ingest/admit --reason ok {WS}", f"waive list {WS}",
        f"waive grant TG-ING-02 --reason x --owner me {WS} --dry-run",
        f"waive grant TG-ING-02 --reason x --owner me {WS}", f"waive list {WS}",
        f"waive retract waiver-6 --reason done {WS}", f"quarantine list {WS}",
        f"quarantine add ws/data.csv --reason odd {WS} --dry-run",
        f"quarantine add ws/data.csv --reason odd {WS}", f"quarantine list {WS}",
        f"quarantine release ws/data.csv --reason fine {WS}",
    )),
    Group("tools", (
        "explain TG-REG-03", "explain", f"config check {WS}", f"config show {WS}",
        f"config show --origin {WS}",
    )),
    Group("store", (
        f"db info {WS}", f"db upgrade {WS} --dry-run", f"db upgrade {WS}",
        f"db backup b.db {WS} --dry-run", f"db backup b.db {WS}", f"db export e.jsonl {WS}",
        f"db rebuild {WS}", f"db shred ENVELOPE --reason x {WS} --dry-run",
        f"db shred ENVELOPE --reason x {WS} --yes",
        f"db restore b.db {WS} --dry-run", f"db import e.jsonl {WS} --dry-run",
    )),
)  # fmt: skip
EMPTY = {
    "policy test untested.toml",
    "model inspect m.safetensors",
    f"policy sign untested.toml {WS}",
}
"""What ends with 3: there is nothing to examine."""
UNPROVED = {
    f"verify ws/data.csv {WS}", "verify evidence.json --trust t.json",
}  # fmt: skip
"""What ends with 1: the policy denied the test's file."""


PACK = {
    "name": "mine",
    "entries": [{"global": "my.models:Net", "uses": ["new", "data"], "why": "x"}],
}


_HEADER = b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
SAFETENSORS = len(_HEADER).to_bytes(8, "little") + _HEADER + bytes(4)


def lay_out(site: Site) -> None:
    """Lay what the cases name beside the workspace."""
    digest = site.admit()
    (site.root.parent / "numbers.csv").write_text("a,b\n" + "1,2\n3,4\n5,6\n" * 20)
    folder = site.root.parent
    bundle = 'extends = "default"\nname = "ours"\nversion = "1"\n'
    (folder / "m.safetensors").write_bytes(SAFETENSORS)
    (folder / "pack.json").write_text(json.dumps(PACK))
    (folder / "untested.toml").write_text(bundle)
    bundle += '[[test]]\nname = "nothing is known"\ngate = "serve/check"\nexpect = "deny"\n'
    (folder / "p.toml").write_text(bundle)
    (result,) = run_tests(load_path(folder / "p.toml"))
    (folder / "p.toml").write_text(bundle + f"rules = {list(result.got_rules)}\n")
    workspace = site.open()
    for name in ("m@1", "m/prod"):
        workspace.act(Alias(name=name, digest=digest, reason="test"))


def run(line: str, tidegate: Tidegate, own: dict[str, str]) -> Ran:
    words = [own.get(word, word) for word in shlex.split(line)]
    ran = tidegate(*words, "--json")
    wanted = 3 if line in EMPTY else 1 if line in UNPROVED else 0
    assert ran.code == wanted, (line, ran)
    return ran


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.name)
def test_the_groups_answers_are_what_they_promise(
    group: Group, site: Site, tidegate: Tidegate
) -> None:
    """The fixture holds each document to the promise; here each command must give one."""
    lay_out(site)
    shown = tidegate("log", "show", "-C", "ws", "--json").json
    own = {
        "LOG_KEY": tidegate("trust", "show", "-C", "ws", "--json").json["logKeys"][-1],
        "ENVELOPE": shown["entries"][2]["envelope"],
    }
    for line in group.lines:
        document = run(line, tidegate, own).json
        assert isinstance(document, dict)
        assert "schema" not in document or document["schema"] != "problem/v1"
        if line == "log witness init wit --name w.example/1 --unsealed":
            own["WITNESS_KEY"] = document["key"]


def test_a_store_that_is_taken_back_is_told(site: Site, tidegate: Tidegate) -> None:
    """Both ways back want a place without a store."""
    assert tidegate("db", "backup", "b.db", "-C", "ws").code == 0
    assert tidegate("db", "export", "e.jsonl", "-C", "ws").code == 0
    for way, file in (("restore", "b.db"), ("import", "e.jsonl")):
        for left in (site.root / ".tidegate").glob("tidegate.db*"):
            left.unlink()
        if way == "import":
            assert tidegate("db", "upgrade", "-C", "ws").code == 0
        done = tidegate("db", way, file, "-C", "ws", "--json").json
        assert (done["file"], done["size"], done["dryRun"]) == (file, 2, False)


def test_no_command_is_forgotten() -> None:
    run_here = {
        str(command)
        for group in GROUPS
        for line in group.lines
        if (command := command_of(shlex.split(line)))
    }
    known = {str(one) for one in commands().values() if one.promised is not None}
    left = known - run_here - set(ELSEWHERE)
    assert left == set(), "run them in a group above, or say where they are"
    assert set(ELSEWHERE) - known == set()


def test_both_flags_say_the_same(site: Site, tidegate: Tidegate) -> None:
    for line in ("log show", "waive list", "db rebuild", "explain TG-REG-03", "scan ws/data.csv"):
        place = () if line.startswith(("explain", "scan")) else ("-C", "ws")
        words = (*line.split(), *place)
        assert tidegate(*words, "--json").out == tidegate(*words, "--format", "json").out


def test_an_answer_is_one_document_also_where_people_are_told_more(
    site: Site, tidegate: Tidegate
) -> None:
    ran = tidegate("waive", "grant", "TG-ING-02", "--reason", "x", "--owner", "me", "-C", "ws",
                   "--dry-run", "--json")  # fmt: skip
    assert (ran.json["dryRun"], ran.json["act"]["control"]) == (True, "TG-ING-02")
    assert "dry run" in ran.err
    text = tidegate("waive", "grant", "TG-ING-02", "--reason", "x", "--owner", "me", "-C", "ws",
                    "--dry-run").out  # fmt: skip
    assert "TG-ING-02" in text
    assert "{" not in text


def test_a_rollback_on_a_dry_run_moves_nothing(site: Site, tidegate: Tidegate) -> None:
    lay_out(site)
    size = site.open().log.head.size
    ran = tidegate("registry", "rollback", "m/prod", "--to", "1", "--reason", "x", "-C", "ws",
                   "--dry-run")  # fmt: skip
    assert (ran.code, site.open().log.head.size) == (0, size)


def test_an_empty_list_is_said_in_words(site: Site, tidegate: Tidegate) -> None:
    for line, words in (
        ("waive list", "no waivers"), ("quarantine list", "nothing is held"),
        ("registry list", "no version is admitted"), ("ingest source list", "no source"),
    ):  # fmt: skip
        assert tidegate(*line.split(), "-C", "ws").out.startswith(words)


DOCUMENTS = ("log head", "log prove 0", "keys export me", "evidence export ws/data.csv")


@pytest.mark.parametrize("line", DOCUMENTS)
def test_a_dash_is_standard_output(line: str, site: Site, tidegate: Tidegate) -> None:
    site.admit()
    before = set(site.root.parent.iterdir())
    ran = tidegate(*line.split(), "-C", "ws", "--output", "-")
    assert (ran.code, len(ran.out) > 40) == (0, True)
    assert set(site.root.parent.iterdir()) == before
    to_file = tidegate(*line.split(), "-C", "ws", "--output", "written")
    assert (to_file.code, "written" in to_file.out) == (0, True)
    assert Path("written").read_text() == ran.out


@pytest.mark.parametrize("line", ["graph draw", "trust export", "db export"])
def test_a_dash_stands_for_a_file_to_write(line: str, site: Site, tidegate: Tidegate) -> None:
    ran = tidegate(*line.split(), "-", "-C", "ws")
    assert tidegate(*line.split(), "written", "-C", "ws").code == 0
    assert (ran.code, ran.out) == (0, Path("written").read_text())
    assert not Path("-").exists()


def test_reports_go_to_standard_output_by_a_dash(site: Site, tidegate: Tidegate) -> None:
    site.admit()
    both = tidegate("scan", "ws/data.csv", "--format", "sarif", "--output", "a.sarif",
                    "--format", "json", "--output", "-")  # fmt: skip
    assert (both.code, both.json["schema"]) == (0, "report/v1")
    assert json.loads(Path("a.sarif").read_text())["version"] == "2.1.0"


@pytest.mark.parametrize(
    "line",
    [f"graph draw - {WS} --json", f"trust export - {WS} --json", f"db export {WS} --json",
     f"evidence export ws/data.csv --output - {WS} --json"],
)  # fmt: skip
def test_two_documents_never_share_the_output(line: str, site: Site, tidegate: Tidegate) -> None:
    site.admit()
    ran = tidegate(*line.split())
    assert (ran.code, ran.json["code"]) == (2, "TG-USE/output")


def test_a_flag_is_no_file_to_write(site: Site, tidegate: Tidegate) -> None:
    ran = tidegate("log", "head", "-C", "ws", "--output", "--json")
    assert (ran.code, "./--json" in ran.out) == (2, True)
    assert not Path("--json").exists()
