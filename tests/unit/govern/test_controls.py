"""The catalogue is complete, well formed, and says what a reader can do."""

import importlib
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tidegate
from tidegate.cli import GROUPS
from tidegate.core.errors import TidegateError, UsageError
from tidegate.core.finding import Rule
from tidegate.govern.controls import FRAMEWORKS, Control, controls
from tidegate.govern.pages import families, page
from tidegate.govern.rules import MODULES, rules

SOURCE = Path(tidegate.__file__).parent

STAGES = {
    "GOV": ("govern", 6),
    "ING": ("ingest", 8),
    "PRE": ("prepare", 6),
    "TRN": ("train", 7),
    "VAL": ("validate", 8),
    "REG": ("registry", 10),
    "SRV": ("serve", 13),
    "MON": ("monitor", 8),
    "PLT": ("platform", 4),
    "RSP": ("respond", 6),
}

IDS = {
    "atlas": r"AML\.T\d{4}(\.\d{3})?",
    "atlas-mitigations": r"AML\.M\d{4}",
    "owasp-llm": r"LLM\d{2}:2025",
    "owasp-agentic": r"ASI\d{2}:2026",
    "owasp-ml": r"ML\d{2}:2023",
    "owasp-aisvs": r"C\d{1,2}\.\d{1,2}",
    "nist-ai-rmf": r"(GOVERN|MAP|MEASURE|MANAGE) \d\.\d{1,2}",
    "nist-800-218a": r"(PO|PS|PW|RV)\.\d{1,2}\.\d{1,2}",
    "iso-42001": r"A\.\d{1,2}\.\d{1,2}(\.\d{1,2})?",
    "eu-ai-act": r"Art \d{1,3}",
}


def test_all_76_controls_are_there() -> None:
    assert len(controls()) == 76
    for code, (stage, count) in STAGES.items():
        members = [control for control in controls().values() if control.id[3:6] == code]
        assert [control.id for control in members] == [
            f"TG-{code}-{number:02d}" for number in range(1, count + 1)
        ]
        assert {control.stage for control in members} == {stage}


@pytest.mark.parametrize("control", controls().values(), ids=lambda control: control.id)
def test_a_control_is_well_formed(control: Control) -> None:
    assert control.kind in {"preventive", "detective", "responsive"}
    assert control.applies_to in {"system", "dataset", "job", "model", "endpoint", "instance"}
    assert control.ttl_days > 0
    assert control.phase_day in {30, 60, 90}
    assert not control.title.endswith(".")
    for text in (control.promise, control.risk, control.evidence, control.fix):
        assert 10 < len(text) < 400
        assert text.endswith(".")
        assert text.isprintable()
    assert set(control.frameworks) <= set(FRAMEWORKS) == set(IDS)
    for key, ids in control.frameworks.items():
        assert ids
        assert all(re.fullmatch(IDS[key], item) for item in ids), ids


def test_texts_are_not_repeated() -> None:
    for field in ("title", "promise", "risk", "fix"):
        texts = [getattr(control, field) for control in controls().values()]
        assert len(set(texts)) == len(texts)


def test_commands_that_texts_name_exist() -> None:
    groups = {group.name for group in GROUPS}
    text = " ".join(control.fix for control in controls().values())
    assert set(re.findall(r"`tidegate (\w+)", text)) <= groups


def test_rules_belong_to_controls_and_are_well_formed() -> None:
    for rule in rules().values():
        assert rule.control in controls(), rule.id
        assert re.fullmatch(r"TG-[A-Z]{3}-\d{2}/[a-z0-9]+(-[a-z0-9]+)*", rule.id)
        assert rule.title
        assert rule.risk
        assert rule.fix
        assert all(re.fullmatch(IDS["atlas"], item) for item in rule.atlas), rule.id


def test_every_rule_of_every_module_is_in_the_catalogue() -> None:
    """A rule in a module that is not listed would have no page."""
    declaring = {
        ".".join(("tidegate", *path.relative_to(SOURCE).with_suffix("").parts))
        for family in ("admission", "detect", "gates")
        for path in (SOURCE / family).rglob("*.py")
        if re.search(r"^RULES\b", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    }
    assert set(MODULES) == declaring


def test_every_rule_that_code_names_is_declared() -> None:
    """A finding whose rule has no page leaves its reader alone."""
    named = {
        rule
        for family in ("admission", "detect", "gates")
        for path in (SOURCE / family).rglob("*.py")
        for rule in re.findall(
            r"[\"'](TG-[A-Z]{3}-\d{2}/[a-z0-9-]+)[\"']", path.read_text(encoding="utf-8")
        )
    }
    assert named <= set(rules())


def test_every_listed_module_exists_and_has_rules() -> None:
    for name, serves in MODULES.items():
        assert importlib.util.find_spec(name) is not None, name
        declared = importlib.import_module(name).RULES
        assert all(isinstance(rule, Rule) for rule in declared)
        assert {rule.control for rule in declared} == set(serves), name


@pytest.mark.parametrize("control", controls())
def test_each_control_has_a_page(control: str) -> None:
    shown = page(control.lower())
    assert list(shown.sections) == [
        "promise",
        "risk",
        "evidence",
        "fix",
        "rules",
        "frameworks",
        "waive",
    ]
    assert shown.to_json()["schema"] == "page/v1"


def test_each_rule_has_a_page() -> None:
    for rule in rules():
        assert {"risk", "fix", "promise", "waive"} <= set(page(rule).sections)


@pytest.mark.parametrize("family", families())
def test_each_error_family_has_a_page(family: str) -> None:
    shown = page(f"{family}/anything")
    assert shown.sections["next step"]
    for kind in families()[family]:
        assert str(kind.exit_code) in shown.facts["exit code"]
        assert issubclass(kind, TidegateError)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ("TG-REG-3", "TG-REG-03"),
        ("TG-REG-03/pickle", "TG-REG-03/pickle-"),
        ("TG-REG-03/zzz", "tidegate explain"),
        ("nonsense", "tidegate explain"),
        ("", "tidegate explain"),
        ("TG-CFX", "TG-CF"),
    ],
)
def test_an_unknown_id_suggests_the_nearest(wrong: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        page(wrong)
    assert hint in (caught.value.next_step or "")


@pytest.mark.slow
def test_explaining_a_rule_imports_no_extra() -> None:
    """The catalogue is asked at a terminal, where each import is waited for."""
    program = (
        "import sys; from tidegate.__main__ import main\n"
        "for rule in sys.argv[1:]:\n"
        "    assert main(['explain', rule]) == 0, rule\n"
        "    heavy = {'numpy', 'pyarrow', 'scipy', 'sklearn', 'stdnum'} & set(sys.modules)\n"
        "    assert not heavy, f'{rule} imports {heavy}'\n"
    )
    asked = subprocess.run(
        [sys.executable, "-c", program, *rules()], capture_output=True, text=True, check=False
    )
    assert asked.returncode == 0, asked.stderr
    assert all(f"{rule} " in asked.stdout for rule in rules())
