# ruff: noqa: E501 - lock files have long lines, and cases read best on one
"""Every rule has a case that it finds, and one that it must let be."""

from dataclasses import replace
from pathlib import Path

import pytest

from tidegate.core.clock import SECOND, Micros
from tidegate.core.finding import Location, Severity
from tidegate.detect.dependencies import (
    RULES,
    Dependency,
    DependencyReport,
    Expectations,
    Format,
    LockFile,
    Source,
    judge_locks,
)
from tidegate.detect.dependencies.licences import permitted, stated_licence
from tidegate.detect.dependencies.model import PYPI, Damage, Index, Role
from tidegate.detect.dependencies.names import KnownNames, distance, popular, skeleton

AT = Location("lock", line=3)
SHA = ("sha256:" + "a" * 64,)
DAY = 86_400 * SECOND
NOW = Micros(1_800_000_000 * SECOND)
OURS = "https://pypi.acme.example/simple"
GOOD = Dependency("numpy", AT, "2.4.6", "numpy", address=PYPI, hashes=SHA)
HOUSE = Expectations(("acme-*",), (OURS,), now=NOW)


def lock(*found: Dependency, form: Format = Format.UV, **more: object) -> LockFile:
    return replace(LockFile("lock", form, found), **more)  # type: ignore[arg-type]


def judged(one: LockFile, wanted: Expectations | None = None) -> DependencyReport:
    return judge_locks([one], wanted or Expectations())


def index(url: str, role: Role = Role.PRIMARY) -> Index:
    return Index(url, role, AT)


OPEN = Format.REQUIREMENTS
CASES: dict[str, tuple[str, LockFile, LockFile, Expectations]] = {
    "no version": ("unpinned", lock(replace(GOOD, version=None)), lock(GOOD), Expectations()),
    "no hash": ("unhashed", lock(replace(GOOD, hashes=())), lock(GOOD), Expectations()),
    "an archive without a hash": (
        "unhashed", lock(replace(GOOD, unhashed=1)), lock(GOOD), Expectations()),
    "md5 alone": (
        "weak-hash", lock(replace(GOOD, hashes=("md5:" + "a" * 32,))),
        lock(replace(GOOD, hashes=("md5:" + "a" * 32, *SHA))), Expectations()),
    "an address": (
        "direct-url", lock(replace(GOOD, source=Source.URL, address="https://x.example/n.whl")),
        lock(GOOD), Expectations()),
    "a commit": (
        "vcs", lock(replace(GOOD, source=Source.VCS, revision="b" * 40)), lock(GOOD), Expectations()),
    "a branch": (
        "vcs-branch", lock(replace(GOOD, source=Source.VCS, revision="main")),
        lock(replace(GOOD, source=Source.VCS, revision="b" * 40)), Expectations()),
    "a folder elsewhere": (
        "local-path", lock(replace(GOOD, source=Source.EDITABLE, address="../other")),
        lock(replace(GOOD, source=Source.EDITABLE, address="packages/other")), Expectations()),
    "an index of others": (
        "foreign-index", lock(replace(GOOD, address="https://pypi.evil.example/simple")),
        lock(GOOD), Expectations(indexes=(PYPI,))),
    "dependency confusion": (
        "internal-name", lock(replace(GOOD, name="acme-models")),
        lock(replace(GOOD, name="acme-models", address=OURS)), HOUSE),
    "a host that only begins alike": (
        "internal-name",
        lock(replace(GOOD, name="acme-x", address="https://pypi.acme.example.evil.example/simple")),
        lock(replace(GOOD, name="acme-x", address=OURS + "/")), HOUSE),
    "an internal name from an address elsewhere": (
        "internal-name",
        lock(replace(GOOD, name="acme-x", source=Source.URL, address="https://x.example/a.whl")),
        lock(replace(GOOD, name="acme-x", source=Source.URL, address=OURS + "/acme-x/a.whl")), HOUSE),
    "no index is named": (
        "internal-unstated", lock(replace(GOOD, name="acme-x"), form=OPEN),
        lock(replace(GOOD, name="acme-x", address=OURS), form=OPEN, indexes=(index(OURS),)), HOUSE),
    "two indexes for one name": (
        "internal-unstated",
        lock(replace(GOOD, name="acme-x", address=OURS), form=OPEN,
             indexes=(index(OURS), index(PYPI, Role.EXTRA))),
        lock(replace(GOOD, name="acme-x", address=OURS), form=OPEN, indexes=(index(OURS),)), HOUSE),
    "an extra index": (
        "extra-index", lock(GOOD, form=OPEN, indexes=(index(PYPI, Role.EXTRA),)),
        lock(GOOD, form=OPEN, indexes=(index(PYPI),)), Expectations()),
    "no TLS": (
        "insecure-index", lock(GOOD, indexes=(index("http://pypi.example/simple"),)),
        lock(GOOD, indexes=(index("http://127.0.0.1:3141/simple"),)), Expectations()),
    "a trusted host": (
        "insecure-index", lock(GOOD, indexes=(index("pypi.example", Role.TRUSTED_HOST),)),
        lock(GOOD), Expectations()),
    "a password": (
        "index-password", lock(GOOD, indexes=(index("https://u:hunter2@pypi.example/simple"),)),
        lock(GOOD, indexes=(index("https://u:${PASSWORD}@pypi.example/simple"),)), Expectations()),
    "look-alike letters": (
        "confusable-name", lock(replace(GOOD, name="rnatplotlib", written="rnatplotlib")),
        lock(replace(GOOD, name="matplotlib", written="matplotlib")), Expectations()),
    "a slip of the hand": (
        "look-alike", lock(replace(GOOD, name="reqeusts", written="reqeusts")),
        lock(replace(GOOD, name="requests", written="requests")), Expectations()),
    "nearly a name of one's own": (
        "look-alike", lock(replace(GOOD, name="tidewateer", written="tidewateer")),
        lock(replace(GOOD, name="tidewater", written="tidewater")),
        Expectations(allowed=("tidewater", "numpy"))),
    "not on the list": (
        "not-allowed", lock(replace(GOOD, name="zzyzx", written="zzyzx")), lock(GOOD),
        Expectations(allowed=("numpy>=2",))),
    "a version that is not on the list": (
        "not-allowed", lock(replace(GOOD, version="1.26.4")), lock(GOOD),
        Expectations(allowed=("numpy>=2",))),
    "withdrawn": ("yanked", lock(replace(GOOD, yanked="")), lock(GOOD), Expectations()),
    "a licence that is denied": (
        "licence", lock(replace(GOOD, licence="GPL-3.0-only")), lock(replace(GOOD, licence="MIT")),
        Expectations(denied_licences=("GPL-3.0",))),
    "too young": (
        "too-young", lock(replace(GOOD, uploaded=Micros(NOW - DAY))),
        lock(replace(GOOD, uploaded=Micros(NOW - 8 * DAY))),
        Expectations(minimum_age=Micros(7 * DAY), now=NOW)),
    "a file was changed": (
        "installed-changed", lock(GOOD, damage=(Damage("numpy", "changed", AT, "changed"),)),
        lock(GOOD), Expectations()),
    "a file is gone": (
        "installed-missing", lock(GOOD, damage=(Damage("numpy", "gone", AT, "missing"),)),
        lock(GOOD), Expectations()),
    "a file of nobody's at start": (
        "startup-file", lock(GOOD, damage=(Damage("e.pth", "runs", AT, "startup"),)),
        lock(GOOD), Expectations()),
}  # fmt: skip
ELSEWHERE = {"advisory", "malicious"}


@pytest.mark.parametrize("case", CASES)
def test_a_rule_finds_its_case_and_lets_the_other_be(case: str) -> None:
    slug, bad, good, wanted = CASES[case]
    found = [one.rule for one in judged(bad, wanted).findings]
    assert f"TG-REG-05/{slug}" in found
    assert [
        one.rule for one in judged(good, wanted).findings if one.rule.endswith("/" + slug)
    ] == []


def test_every_rule_has_a_case() -> None:
    slugs = {rule.id.partition("/")[2] for rule in RULES}
    assert slugs == {slug for slug, *_ in CASES.values()} | ELSEWHERE


def test_a_lock_without_any_hash_is_told_once() -> None:
    names = [replace(GOOD, name=f"n{number}", hashes=()) for number in range(40)]
    found = [one for one in judged(lock(*names)).findings if one.rule.endswith("unhashed")]
    assert len(found) == 1


def test_dependency_confusion_is_critical_and_shows_no_password() -> None:
    bad = replace(GOOD, name="acme-x", address="https://me:secret@pypi.evil.example/simple")
    (found,) = [one for one in judged(lock(bad), HOUSE).findings if "internal" in one.rule]
    assert found.severity is Severity.CRITICAL
    assert "secret" not in str(found.to_json())


def test_what_can_not_be_told_is_a_gap() -> None:
    installed = replace(GOOD, name="acme-x", source=Source.UNSTATED, address=None)
    assert not judged(lock(installed, form=Format.INSTALLED), HOUSE).coverage.complete
    young = Expectations(minimum_age=Micros(DAY), licences=("MIT",), now=NOW)
    assert len(judged(lock(GOOD), young).gaps) == 2
    assert judged(lock(GOOD)).coverage.complete


def test_an_environment_lends_its_licences_to_a_lock() -> None:
    wanted = Expectations(licences=("BSD-3-Clause",))
    installed = lock(replace(GOOD, licence="MIT", source=Source.UNSTATED), form=Format.INSTALLED)
    found = judge_locks([lock(GOOD), installed], wanted)
    assert [one.rule for one in found.findings] == ["TG-REG-05/licence"] * 1 or len(
        found.findings
    ) == 2
    assert found.gaps == ()


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("MIT", True), ("mit OR GPL-3.0-only", True), ("MIT AND GPL-3.0-only", False),
        ("(MIT OR Apache-2.0) AND BSD-3-Clause", True), ("Apache-2.0 WITH LLVM-exception", True),
        ("GPL-3.0-or-later", False), ("MIT OR", False), ("(MIT", None), ("odd words here", False),
    ],
)  # fmt: skip
def test_licence_expressions(text: str, *, fits: bool | None) -> None:
    allowed = frozenset({"mit", "apache-2.0", "bsd-3-clause"})
    assert permitted(text, allowed=allowed, denied=frozenset({"gpl-3.0"})) is fits


def test_classifiers_become_expressions() -> None:
    osi = "License :: OSI Approved :: "
    assert stated_licence(None, [osi + "BSD License"], None) == "BSD-2-Clause OR BSD-3-Clause"
    assert stated_licence(None, [osi + "MIT License", osi + "Apache Software License"], "x") == (
        "MIT AND Apache-2.0"
    )
    assert stated_licence(None, [], "Apache License, Version 2.0\nlong text") == "Apache-2.0"
    assert stated_licence(None, [], None) is None


def test_families_of_names_do_not_accuse_each_other() -> None:
    names = KnownNames(["mypy-boto3-ecs", "azure-mgmt-dns", "opentelemetry-instrumentation-redis"])
    for honest in (
        "mypy-boto3-ecr",
        "azure-mgmt-cdn",
        "opentelemetry-instrumentation-redit",
        "ecs",
    ):
        hit = names.nearest(honest)
        assert hit is None or hit.weak or honest.endswith("redit"), hit
    assert popular().nearest("numpy") is None


@pytest.mark.parametrize("name", ["reqüests", "ｒequests", "requеsts", "re-quests", "Reque5ts"])  # noqa: RUF001
def test_letters_that_look_alike_are_folded(name: str) -> None:
    assert skeleton(name) == skeleton("requests") or popular().nearest(name) is not None


def test_distances_are_those_of_damerau() -> None:
    assert distance("ca", "abc", limit=3) == 3
    assert distance("kitten", "sitting", limit=5) == 3
    assert distance("teh", "the", limit=1) == 1


def test_the_lock_of_this_project_is_clean() -> None:
    file = Path(__file__).parents[3] / "requirements" / "locked.txt"
    from tidegate.detect.dependencies import check_paths  # noqa: PLC0415 - beside its use

    report = check_paths([file])
    assert report.coverage.complete
    assert [one for one in report.findings if one.severity >= Severity.MEDIUM] == []
    assert report.facts()["dependencies"] == report.facts()["hashed"]
