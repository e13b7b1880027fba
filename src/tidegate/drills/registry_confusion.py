"""DR-REG-06: a stranger publishes an internal package's name on the public index.

The installer asks both indexes and takes the highest version of any: the stranger's. The lock
records faithfully, by hash, what was chosen.
"""

from pathlib import Path
from textwrap import dedent

from tidegate.app.signed_policy import sign
from tidegate.app.workspace import Workspace
from tidegate.core.decision import Decision
from tidegate.core.errors import CheckError
from tidegate.core.stage import Stage
from tidegate.drills.arena import Arena
from tidegate.drills.arms import goal, judged, passed
from tidegate.drills.models import GOOD
from tidegate.drills.packages import OWN, PUBLIC, Wheel, resolve, write_lock, write_wheel
from tidegate.drills.victims import marking, run_victim
from tidegate.gates.drill import Arm, Drill
from tidegate.govern.policy.selftest import run_tests

_HONEST = "def scale(value):\n    return value / 2\n"
_IMPORT = "import sys; sys.path.insert(0, sys.argv[1]); import acme_features"
_LOCK = "pylock.toml"
_POLICY = dedent(
    """\
    extends = "default"
    name = "drill"
    version = "1"
    checks = ["dependencies"]

    [[rule]]
    id = "registry.dependencies"
    control = "TG-REG-05"
    gate = "registry/admit"
    require = "check.dependencies.ran && check.dependencies.highest < severity.medium"
    message = "{check.dependencies.findings} findings in the lock"
    fix = "run `tidegate deps check` on the lock"
    severity = "critical"

    [[test]]
    name = "an internal name from elsewhere is refused"
    like = "a clean, signed, documented model is admitted"
    expect = "deny"
    rules = ["registry.dependencies"]
    [test.facts]
    "check.dependencies.ran" = true
    "check.dependencies.highest" = 4
    "check.dependencies.findings" = 1
    """
)
_SETTINGS = dedent(
    f"""
    [policy]
    bundle = "policy.toml"

    [dependencies]
    lock = "{_LOCK}"
    internal = ["acme-*"]
    internal_indexes = ["{OWN}"]
    """
)


def _attack(folder: Path, *, gate_on: bool) -> Arm:
    marker = folder / "marker"
    chosen = _resolved(folder, marker, (OWN, PUBLIC))
    if gate_on:
        return judged(_admitted_with(folder, chosen))
    run_victim(_IMPORT, chosen.install(folder / "site"), home=folder)
    detail = f"the installer took {chosen.version} of {chosen.index}; importing it ran its code"
    return goal(reached=marker.exists(), detail=detail)


def _benign(folder: Path) -> Arm:
    """The same two indexes, and the name bound to the one that is ours."""
    return passed(_admitted_with(folder, _resolved(folder, folder / "marker", (OWN,))))


def _resolved(folder: Path, marker: Path, asked: tuple[str, ...]) -> Wheel:
    indexes = {OWN: folder / "own", PUBLIC: folder / "public"}
    write_wheel(indexes[OWN], "1.4.0", _HONEST)
    write_wheel(indexes[PUBLIC], "99.0.0", f"{marking(marker)}\n{_HONEST}")
    return resolve(indexes, asked)


def _admitted_with(folder: Path, chosen: Wheel) -> Decision:
    """Ask for a model's admission in a workspace that claims the name and checks its lock."""
    arena, model = Arena.make(folder), folder / "model.safetensors"
    model.write_bytes(GOOD.encoded())
    arena.trained(model)
    root = arena.founded.root
    write_lock(root / _LOCK, chosen)
    (root / "policy.toml").write_text(_POLICY, "utf-8")
    strict = arena.configured(_SETTINGS)
    _put_in_force(strict.workspace)
    return strict.register(model, "1.0.0")


def _put_in_force(workspace: Workspace) -> None:
    """Sign the policy, whose tests must pass, as ``tidegate policy sign`` does."""
    results = run_tests(workspace.policy)
    if not all(result.passed for result in results):
        raise CheckError("the drill's policy does not do what it says", slug="not-staged")
    sign(workspace, workspace.policy, [result.name for result in results])


DRILL = Drill(
    id="DR-REG-06",
    stage=Stage.REGISTRY,
    control="TG-REG-05",
    title="An internal package's name published on the public index",
    attack=_attack,
    benign=_benign,
    atlas=("AML.T0010.001", "AML.T0011.001"),
    missions=("M17", "M91", "M92"),
)
