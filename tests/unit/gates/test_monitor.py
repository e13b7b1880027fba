"""Live windows against the frozen profile: alarms, refusals, state, and alerts that arrive."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from tests.pipelines import Pipeline

from tidegate.app.monitor import MonitorRequest, freeze, watch, watch_window
from tidegate.core.decision import Decision
from tidegate.core.errors import RemoteError, TidegateError
from tidegate.core.stage import Outcome, Stage


def traffic(path: Path, seed: int, *, count: int = 1_000, shift: float = 0.0) -> Path:
    random = np.random.default_rng(seed)
    x, city = random.normal(shift, 1, count).round(5), random.choice(["ulm", "bonn"], count)
    lines = "\n".join(f"{a},{b},{int(a > 0)}" for a, b in zip(x, city, strict=True))
    path.write_text(f"x,city,prediction\n{lines}\n")
    return path


@dataclass
class Case:
    """A promoted model with a frozen profile."""

    pipeline: Pipeline
    folder: Path
    request: MonitorRequest

    def run(self, seed: int, *, shift: float = 0.0, **changes: Any) -> Decision:
        self.pipeline.clock.advance(1_000_000)
        window = traffic(self.folder / "window.csv", seed, shift=shift)
        return watch_window(
            self.pipeline.workspace, replace(self.request, window=window, **changes)
        )  # fmt: skip


@pytest.fixture(scope="module")
def promoted(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    root = tmp_path_factory.mktemp("promoted")
    pipeline = Pipeline.begin(root)
    digest = freeze(traffic(root / "reference.csv", 0, count=20_000), root / "profile.json").digest
    (root / "model.json").write_text("{}")
    pipeline.promote(root / "model.json", profile=str(digest))
    return pipeline


@pytest.fixture
def case(promoted: Pipeline, tmp_path: Path) -> Case:
    pipeline = promoted.copy_to(tmp_path)
    model = pipeline.digest(tmp_path / "model.json")
    request = MonitorRequest(model, tmp_path / "profile.json", tmp_path / "window.csv")
    return Case(pipeline, tmp_path, request)


def facts(decision: Decision) -> dict[str, object]:
    return dict(decision.checks[0].facts)


def test_clean_windows_pass_and_shifted_windows_raise_the_alarm(case: Case) -> None:
    calm = [case.run(seed) for seed in range(1, 7)]
    assert {decision.outcome for decision in calm} == {Outcome.ALLOW}
    outbox = case.pipeline.workspace.home / "monitor/alerts.jsonl"
    assert not outbox.exists()
    shifted = [case.run(seed, shift=0.5) for seed in range(7, 12)]
    assert facts(shifted[-1])["alarm"] is True
    assert facts(shifted[-1])["windows"] == 11
    assert float(str(facts(shifted[-1])["psi_of_x"])) > 0.1
    assert [denial.rule for denial in shifted[-1].denials] == ["monitor.drift"]
    events = [json.loads(line) for line in outbox.read_text().splitlines()]
    last = events[-1]
    assert (last["specversion"], last["type"]) == ("1.0", "tidegate.alert.drift.v1")
    assert last["subject"] == case.request.model
    assert last["data"]["logIndex"] == shifted[-1].index
    assert last["data"]["severity"] == "high"
    assert "AML.T0031" in last["data"]["atlas"]
    assert len({event["id"] for event in events}) == len(events)


def test_a_jump_is_an_alert_in_its_first_window(case: Case) -> None:
    decision = case.run(1, shift=2.0)
    assert decision.outcome is Outcome.DENY
    assert (case.pipeline.workspace.home / "monitor/alerts.jsonl").exists()


def test_a_profile_other_than_the_frozen_one_is_refused(case: Case, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    freeze(traffic(tmp_path / "drifted.csv", 5, shift=2.0), other)
    decision = case.run(1, shift=2.0, reference=other)
    assert decision.outcome is Outcome.DENY
    assert facts(decision) == {"reference": False}
    assert "monitor.reference" in {denial.rule for denial in decision.denials}
    assert [finding.rule for finding in decision.findings] == ["TG-MON-01/other-reference"]


def test_a_model_that_was_never_promoted_has_no_reference(case: Case, tmp_path: Path) -> None:
    stranger = tmp_path / "stranger.json"
    stranger.write_text("[]")
    decision = case.run(1, model=str(stranger))
    assert facts(decision) == {"reference": False}


def test_a_new_promotion_freezes_a_new_profile(case: Case, tmp_path: Path) -> None:
    fresh = tmp_path / "fresh.json"
    digest = str(freeze(traffic(tmp_path / "later.csv", 5, count=9_000, shift=1), fresh).digest)
    case.pipeline.promote(tmp_path / "model.json", profile=digest)
    assert facts(case.run(1))["reference"] is False
    assert case.run(1, shift=1, reference=fresh).outcome is Outcome.ALLOW


def test_an_edited_or_lost_state_leaves_the_gate_undecided(case: Case) -> None:
    case.run(1)
    (state,) = (case.pipeline.workspace.home / "monitor").glob("*.json")
    kept = state.read_bytes()
    state.write_bytes(kept.replace(b'"windows":1', b'"windows":2'))
    decision = case.run(2)
    assert decision.outcome is not Outcome.ALLOW
    assert "not the one that the log names" in (decision.checks[0].error or "")
    state.unlink()
    assert case.run(2).outcome is not Outcome.ALLOW
    state.write_bytes(kept)
    assert facts(case.run(2))["windows"] == 2
    assert facts(case.run(3, restart=True))["windows"] == 1


def test_a_crash_before_the_state_moves_on_loses_no_window(case: Case) -> None:
    case.run(1)
    (state,) = (case.pipeline.workspace.home / "monitor").glob("*.json")
    first = state.read_bytes()
    case.run(2)
    state.replace(state.with_name(state.name + ".next"))
    state.write_bytes(first)  # as if the process had died right after the log was written
    assert facts(case.run(3))["windows"] == 3


def test_a_dry_run_moves_nothing(case: Case) -> None:
    size = case.pipeline.workspace.log.head.size
    decision = case.run(1, shift=3.0, dry_run=True)
    assert decision.outcome is Outcome.DENY
    assert case.pipeline.workspace.log.head.size == size
    assert not (case.pipeline.workspace.home / "monitor").exists()


def test_a_window_without_a_column_of_the_profile_is_undecided(case: Case, tmp_path: Path) -> None:
    window = tmp_path / "narrow.csv"
    window.write_text("x,city\n" + "0.1,ulm\n-0.2,bonn\n" * 300)
    request = replace(case.request, window=window)
    decision = watch(case.pipeline.workspace, request).decision
    assert [gap.what for gap in decision.coverage.skipped] == ["column prediction"]
    assert decision.outcome is not Outcome.ALLOW


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """A web server that keeps what is posted; paths below /down get a 503."""
    got: list[tuple[str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            down = self.path.startswith("/down")
            if not down:
                got.append((self.headers["content-type"], body))
            self.send_response(503 if down else 202)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", got
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_alert_is_posted_and_a_refused_one_stays_in_the_file(
    case: Case, receiver: tuple[str, list[tuple[str, bytes]]]
) -> None:
    address, got = receiver
    case.run(1, shift=2.0, cloudevents=f"{address}/hook?token=secret")
    assert got[0][0] == "application/cloudevents+json"
    assert json.loads(got[0][1])["type"] == "tidegate.alert.drift.v1"
    with pytest.raises(RemoteError) as caught:
        case.run(2, shift=2.0, cloudevents=f"{address}/down?token=secret")
    assert "secret" not in str(caught.value)
    outbox = case.pipeline.workspace.home / "monitor/alerts.jsonl"
    assert len(outbox.read_text().splitlines()) == 2
    assert case.pipeline.workspace.log.head.size > 0


def test_alerts_go_to_the_file_that_is_named(case: Case, tmp_path: Path) -> None:
    case.run(1, shift=2.0, cloudevents=str(tmp_path / "events.jsonl"))
    assert json.loads((tmp_path / "events.jsonl").read_text())["data"]["message"]


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no such model": ({"model": "credit/prod"}, "TG-SUB/no-such-artifact"),
    "no such profile": ({"reference": Path("absent.json")}, "TG-SUB/unreadable"),
    "a run length of 1": ({"run_length": 1.0}, "TG-USE/drift-settings"),
    "a tolerance of 1": ({"tolerance": 1.0}, "TG-USE/drift-settings"),
}


@pytest.mark.parametrize("name", BAD)
def test_wrong_inputs_are_typed_errors(case: Case, name: str) -> None:
    changes, code = BAD[name]
    with pytest.raises(TidegateError) as caught:
        case.run(1, **changes)
    assert caught.value.code == code


def test_a_profile_that_was_formatted_anew_is_refused(case: Case) -> None:
    text = json.dumps(json.loads(case.request.reference.read_text()), indent=1)
    case.request.reference.write_text(text)
    with pytest.raises(TidegateError, match="canonical"):
        case.run(1)


def test_a_profile_names_its_columns_and_never_replaces_a_file(tmp_path: Path) -> None:
    data, out = traffic(tmp_path / "t.csv", 0), tmp_path / "p.json"
    assert [column.name for column in freeze(data, out, ["city"]).columns] == ["city"]
    with pytest.raises(TidegateError, match="can't be written"):
        freeze(data, out)
    with pytest.raises(TidegateError, match="missing"):
        freeze(data, tmp_path / "q.json", ["z"])


def test_the_window_is_no_part_of_the_models_lineage(case: Case) -> None:
    case.run(1)
    chain = case.pipeline.workspace.chains().read([case.request.model])
    assert case.pipeline.digest(case.folder / "window.csv") not in chain.nodes
    assert chain.complete
    assert [link.gate.parameters["rows"] for link in chain.of(Stage.MONITOR)] == [1_000]
