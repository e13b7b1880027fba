"""Conversion of models that run code into models that don't, over real confined processes."""

import json
import pickle
import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import joblib
import numpy as np
import pytest
from safetensors.numpy import load_file
from sklearn.linear_model import LogisticRegression
from tests.pipelines import StandIn

from tidegate.app.convert import Conversion, convert, convert_recorded
from tidegate.app.genesis import everything, found
from tidegate.app.sources import add_source
from tidegate.app.workspace import Workspace
from tidegate.core.artifact.reference import resolve
from tidegate.core.errors import CheckError, SubjectError, TidegateError, UsageError
from tidegate.core.stage import Outcome, Stage
from tidegate.detect.supply.report import Status
from tidegate.gates.contract import Order, Target
from tidegate.gates.convert.gate import Form
from tidegate.sandbox.order import Tier
from tidegate.sandbox.probe import host

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(host().tier < Tier.NAMESPACES, reason="no confinement on this host"),
]

WEIGHT = np.arange(12, dtype="<f4").reshape(3, 4)
WEIGHTS = {
    "layer": {"weight": WEIGHT, "bias": np.zeros(4)},
    "steps": [np.int64(3)],
    "epoch": 7,
}


class Attack:
    """Leaves a file when it is loaded, and tensors in the model's place."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[object, tuple[str]]:
        command = f"open({str(self.canary)!r}, 'w').write('executed')"
        return eval, (f"[{command}, __import__('numpy').ones(3)][1:]",)


class Leaver:
    """Leaves a pickle under the name of the converted model, and ends."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        place = "os.environ['TIDEGATE_OUTPUT'] + '/model.safetensors'"
        body = pickle.dumps(Attack(Path("x")))
        return exec, (f"import os; open({place}, 'wb').write({body!r}); os._exit(0)",)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "net.joblib"
    joblib.dump(WEIGHTS, path)
    return path


def conversion(
    source: Path, *, despite_findings: bool = False, dry_run: bool = False
) -> Conversion:
    target = source.parent / "net.safetensors"
    return Conversion(source, target, Form.SAFETENSORS, despite_findings, dry_run)


def leftovers(folder: Path) -> list[Path]:
    return [*folder.glob("*.safetensors"), *folder.glob(".tidegate-convert-*")]


@pytest.mark.parametrize("how", ["joblib", "compressed", "pickle"])
def test_arrays_become_tensors_of_the_same_values(tmp_path: Path, how: str) -> None:
    source = tmp_path / "net"
    if how == "pickle":
        source.write_bytes(pickle.dumps(WEIGHTS))
    else:
        joblib.dump(WEIGHTS, source, compress=3 if how == "compressed" else 0)
    done = convert(conversion(source))
    assert done.source.status is Status.CLEAN
    assert done.result is not None
    assert done.result.status is Status.CLEAN
    target = tmp_path / "net.safetensors"
    tensors = load_file(target)
    assert sorted(tensors) == ["layer.bias", "layer.weight", "steps.0"]
    np.testing.assert_array_equal(tensors["layer.weight"], WEIGHT)
    assert tensors["layer.weight"].dtype == np.float32
    (size,) = struct.unpack("<Q", target.read_bytes()[:8])
    header = json.loads(target.read_bytes()[8 : 8 + size])
    assert header["__metadata__"] == {"epoch": "7"}


def test_an_attack_is_not_loaded_unless_somebody_insists(tmp_path: Path) -> None:
    source, canary = tmp_path / "evil.pkl", tmp_path / "canary"
    source.write_bytes(pickle.dumps(Attack(canary)))
    with pytest.raises(CheckError) as refused:
        convert(conversion(source))
    assert refused.value.slug == "not-clean"
    assert not canary.exists()
    assert leftovers(tmp_path) == []


def test_an_attack_that_is_loaded_touches_nothing_outside(tmp_path: Path) -> None:
    source, canary = tmp_path / "evil.pkl", tmp_path / "canary"
    source.write_bytes(pickle.dumps(Attack(canary)))
    with pytest.raises(CheckError) as failed:
        convert(conversion(source, despite_findings=True))
    assert failed.value.slug == "not-loadable"  # its canary's folder is not there to write to
    assert not canary.exists()
    assert leftovers(tmp_path) == []
    pickle.loads(source.read_bytes())  # noqa: S301 - the control: outside it does run
    assert canary.read_text() == "executed"


def test_what_an_attack_writes_inside_stays_inside(tmp_path: Path) -> None:
    canary = Path("/tmp/tidegate-convert-canary")  # noqa: S108 - private inside, not outside
    canary.unlink(missing_ok=True)
    source = tmp_path / "evil.pkl"
    source.write_bytes(pickle.dumps(Attack(canary)))
    done = convert(conversion(source, despite_findings=True))
    assert done.source.status is Status.FINDINGS
    assert list(load_file(tmp_path / "net.safetensors")) == ["0"]
    assert not canary.exists()


def test_output_that_is_not_clean_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "evil.pkl"
    source.write_bytes(pickle.dumps(Leaver()))
    with pytest.raises(CheckError) as refused:
        convert(conversion(source, despite_findings=True))
    assert refused.value.slug == "bad-conversion"
    assert leftovers(tmp_path) == []


def test_an_estimator_is_no_tensor(tmp_path: Path) -> None:
    source = tmp_path / "model.joblib"
    joblib.dump(LogisticRegression().fit([[0.0], [1.0]], [0, 1]), source)
    with pytest.raises(CheckError) as refused:
        convert(conversion(source))
    assert refused.value.slug == "not-convertible"
    assert "LogisticRegression" in str(refused.value.cause)


def test_a_missing_framework_is_named(tmp_path: Path, checkpoint: Path) -> None:
    try:
        import skops  # type: ignore[import-not-found]  # noqa: F401, PLC0415
    except ModuleNotFoundError:
        pass
    else:
        pytest.skip("skops is installed")
    with pytest.raises(SubjectError) as refused:
        convert(replace(conversion(checkpoint), target=tmp_path / "m.skops", form=Form.SKOPS))
    assert refused.value.slug == "no-framework"
    assert "skops" in refused.value.problem


def test_what_exists_is_not_replaced(tmp_path: Path, checkpoint: Path) -> None:
    (tmp_path / "net.safetensors").write_text("mine")
    with pytest.raises(UsageError):
        convert(conversion(checkpoint))
    assert (tmp_path / "net.safetensors").read_text() == "mine"


def test_a_dry_run_loads_nothing(tmp_path: Path, checkpoint: Path) -> None:
    assert convert(conversion(checkpoint, dry_run=True)).result is None
    assert leftovers(tmp_path) == []


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    made = found(tmp_path / "site", (everything("dana"),), environ={"HOME": str(tmp_path)})
    made.act(add_source(made, "hub", tier="partner", owner="Models", licence="Apache-2.0"))
    yield made
    made.engine.dispose()


def test_in_a_workspace_the_converted_model_leads_back_to_the_original(
    workspace: Workspace, checkpoint: Path
) -> None:
    source = Target(checkpoint.name, "model", checkpoint, annotations={"source": "hub"})
    assert workspace.run(StandIn(Stage.INGEST), Order("admit", (source,))).exit_code == 0
    done = convert_recorded(workspace, conversion(checkpoint))
    assert done.decision is not None
    assert done.decision.outcome is Outcome.ALLOW
    target = resolve(checkpoint.parent / "net.safetensors", kind="model")
    (subject,) = done.decision.subjects
    assert (subject.name, subject.digest) == ("net.safetensors", str(target.digest))
    checks = {check.id: dict(check.facts) for check in done.decision.checks}
    assert checks["scan"]["clean"] == 1
    chain = workspace.chains().read([subject.digest])
    assert chain.complete
    original = str(resolve(checkpoint).digest)
    assert any(original in str(link) for link in chain.links)


def test_in_a_workspace_the_original_must_be_admitted(
    workspace: Workspace, checkpoint: Path
) -> None:
    done = convert_recorded(workspace, conversion(checkpoint))
    assert done.decision is not None
    assert done.decision.outcome is not Outcome.ALLOW
    assert done.result is None
    assert leftovers(checkpoint.parent) == []


def test_a_source_that_changes_meanwhile_is_refused(
    tmp_path: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tidegate.app import convert as module  # noqa: PLC0415 - for its seam
    from tidegate.gates.command.produce import run_command  # noqa: PLC0415 - the real one

    def run_and_swap(order: object) -> object:
        done = run_command(order)  # type: ignore[arg-type]
        checkpoint.write_bytes(checkpoint.read_bytes())
        return done

    monkeypatch.setattr(module, "run_command", run_and_swap)
    with pytest.raises(TidegateError) as refused:
        convert(conversion(checkpoint))
    assert refused.value.slug == "other-bytes"
    assert leftovers(tmp_path) == []
