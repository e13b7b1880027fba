"""The doctor looks for itself, names what helps, and fails on problems only."""

import sqlite3
from pathlib import Path

import pytest
from tests.sites import Site, Tidegate

from tidegate.app import doctor
from tidegate.app.doctor import Health, examine
from tidegate.app.site import Site as Store
from tidegate.core.clock import SECOND, FixedClock, SystemClock
from tidegate.sandbox.probe import Host

WS = ("-C", "ws")


def health(tidegate: Tidegate) -> dict[str, str]:
    found = tidegate("doctor", *WS, "--format", "json").json
    return {check["name"]: check["health"] for check in found["checks"]}


def test_a_new_workspace_has_no_problem(site: Site, tidegate: Tidegate) -> None:
    ran = tidegate("doctor", *WS)
    assert (ran.code, "0 problems" in ran.out) == (0, True)
    found = health(tidegate)
    assert (found["keys"], found["store"], found["log"], found["trust"], found["clock"]) == (
        "warning", "ok", "ok", "ok", "ok",
    )  # fmt: skip


def test_sealed_keys_are_no_warning(tmp_path: Path, tidegate: Tidegate) -> None:
    (tmp_path / "pass").write_text("low tide")
    (tmp_path / "pass").chmod(0o600)
    assert tidegate("init", "ws", "--passphrase-file", "pass").code == 0
    assert health(tidegate)["keys"] == "ok"


def _readable_key(site: Site) -> None:
    next(site.root.rglob("*.key")).chmod(0o644)


def _no_store(site: Site) -> None:
    for file in (site.root / ".tidegate").glob("tidegate.db*"):
        file.unlink()


def _changed_tile(site: Site) -> None:
    with sqlite3.connect(site.root / ".tidegate/tidegate.db") as database:
        database.execute("UPDATE log_tile SET hashes = zeroblob(length(hashes))")


def _newer_schema(site: Site) -> None:
    with sqlite3.connect(site.root / ".tidegate/tidegate.db") as database:
        database.execute("UPDATE tidegate_schema SET version_num = '0099'")


def _no_pin(site: Site) -> None:
    (site.root / ".tidegate/trust-anchor").unlink()


def _no_such_principal(site: Site) -> None:
    config = site.root / "tidegate.toml"
    config.write_text(config.read_text().replace('principal = "me"', 'principal = "zoe"'))


def _behind(site: Site) -> None:
    file = site.root / ".tidegate/trust.json"
    old = file.read_bytes()
    from tidegate.app.trustees import next_version, publish  # noqa: PLC0415 - one case's

    workspace = site.open()
    publish(workspace, next_version(workspace.trust))
    file.write_bytes(old)


PROBLEMS = {
    "a key that others may read": (_readable_key, "keys"),
    "no store": (_no_store, "store"),
    "a changed tile": (_changed_tile, "log"),
    "a newer schema": (_newer_schema, "store"),
    "no pin": (_no_pin, "trust"),
    "a default principal without a key": (_no_such_principal, "principal"),
    "a trust root that is behind": (_behind, "trust"),
}


@pytest.mark.parametrize("case", PROBLEMS)
def test_each_problem_is_named_with_what_helps(case: str, site: Site, tidegate: Tidegate) -> None:
    hurt, name = PROBLEMS[case]
    hurt(site)
    ran = tidegate("doctor", *WS, "--format", "json")
    found = {check["name"]: check for check in ran.json["checks"]}
    assert (ran.code, ran.json["ok"], found[name]["health"]) == (1, False, "problem")
    assert found[name]["remedy"]
    assert "isolation" in found, "the rest is looked at all the same"


def test_a_clock_that_is_behind_is_a_problem(site: Site, tidegate: Tidegate) -> None:
    store = Store.of(site.root, {})
    now = SystemClock().now()
    for behind, wanted in ((-60, Health.OK), (60, Health.WARNING), (3_600, Health.PROBLEM)):
        clock = FixedClock(now - behind * SECOND)
        found = {one.name: one for one in examine(store, site.open, clock)}
        assert found["clock"].health is wanted


def test_a_closed_log_is_named(site: Site, tidegate: Tidegate) -> None:
    tidegate("trust", "log-successor", "next", *WS)
    assert health(tidegate)["log"] == "warning"


def test_what_would_be_skipped_is_said(
    site: Site, tidegate: Tidegate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(doctor.EXTRAS, "redis", (("no_such_module",), "several machines"))
    weak = Host(None, "no bubblewrap", "install it", None)
    monkeypatch.setattr(doctor, "host", lambda: weak)
    found = {one["name"]: one for one in tidegate("doctor", *WS, "--format", "json").json["checks"]}
    assert (found["redis"]["health"], "pip install" in found["redis"]["remedy"]) == ("absent", True)
    assert (found["isolation"]["health"], found["isolation"]["remedy"]) == ("warning", "install it")


def test_a_policy_that_does_not_decide_is_a_warning(
    site: Site, tidegate: Tidegate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEGATE_POLICY__MODE", "warn")
    assert health(tidegate)["policy"] == "warning"
    assert tidegate("doctor", *WS).code == 0


def test_without_a_workspace_it_says_so(tidegate: Tidegate) -> None:
    assert tidegate("doctor").code == 2
