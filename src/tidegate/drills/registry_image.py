"""DR-REG-07: the image that a model is served from is poisoned, in two ways.

The layer of a signed image is replaced under its digest's name in the registry's storage; or the
tag is moved to an image that was built on a stranger's base, and is whole in itself.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from textwrap import dedent

from tidegate.app.images import ImageFindings, check_place
from tidegate.core.finding import Severity
from tidegate.core.identity.keys import PrivateKey, Scheme
from tidegate.core.stage import Stage
from tidegate.drills.arena import Arena
from tidegate.drills.arms import controls_of, goal
from tidegate.drills.layouts import RUN, LayoutWriter, swap_layer
from tidegate.drills.victims import marking, run_victim
from tidegate.gates.drill import Arm, Drill, End

_SERVE = "print('serving')\n"
_SETTINGS = dedent(
    """
    [images]
    registries = ["registry.acme.example/base"]
    """
)
_STRANGER = "registry.stranger.example/base/python:3.12"
_Poison = Callable[[Path, str, PrivateKey], Path]
_CONTROL = "TG-REG-06"


def _attack(folder: Path, *, gate_on: bool) -> Arm:
    key = PrivateKey.generate(Scheme.P256)
    layouts: dict[str, tuple[Path, Path]] = {}
    for number, (name, poison) in enumerate(_POISONS.items()):
        marker = folder / f"marker-{number}"
        program = f"{marking(marker)}\n{_SERVE}"
        layouts[name] = poison(folder / f"layout-{number}", program, key), marker
    return _checked(folder, layouts, key) if gate_on else _run(folder, layouts)


def _run(folder: Path, layouts: Mapping[str, tuple[Path, Path]]) -> Arm:
    for layout, _ in layouts.values():
        run_victim(RUN, layout, home=folder)
    ran = [name for name, (_, marker) in layouts.items() if marker.exists()]
    detail = f"a host ran the attacker's code from {' and '.join(ran) or 'neither'}"
    return goal(reached=len(ran) == len(layouts), detail=detail)


def _checked(folder: Path, layouts: Mapping[str, tuple[Path, Path]], key: PrivateKey) -> Arm:
    arena = _site(folder)
    found = {name: _grave(arena, layout, key) for name, (layout, _) in layouts.items()}
    told = {name: controls_of(one.findings) for name, one in found.items()}
    missed = [name for name, controls in told.items() if _CONTROL not in controls]
    if missed:
        return Arm(End.MISSED, f"nothing was found of {', '.join(missed)}")
    rules = sorted({finding.rule for one in found.values() for finding in one.findings})
    return Arm(End.DETECTED, ", ".join(rules), frozenset.intersection(*told.values()))


def _benign(folder: Path) -> Arm:
    key = PrivateKey.generate(Scheme.P256)
    found = _grave(_site(folder), _honest(folder / "layout", _SERVE, key), key)
    if found.findings or not found.coverage.complete:
        rules = ", ".join(finding.rule for finding in found.findings)
        return Arm(End.BLOCKED, rules or "something could not be told")
    return Arm(End.PASSED, f"{found.coverage.examined} signed image on a listed base")


def _site(folder: Path) -> Arena:
    return Arena.make(folder).configured(_SETTINGS)


def _honest(folder: Path, program: str, key: PrivateKey) -> Path:
    writer = LayoutWriter(folder)
    image, _ = writer.image(program)
    writer.sign(image, key)
    return writer.close()


def _swapped(folder: Path, program: str, key: PrivateKey) -> Path:
    writer = LayoutWriter(folder)
    image, layer = writer.image(_SERVE)
    writer.sign(image, key)
    swap_layer(layer, program)
    return writer.close()


def _rebuilt(folder: Path, program: str, key: PrivateKey) -> Path:  # noqa: ARG001 - not theirs
    writer = LayoutWriter(folder)
    image, _ = writer.image(program, _STRANGER)
    writer.sign(image, PrivateKey.generate(Scheme.P256))
    return writer.close()


_POISONS: dict[str, _Poison] = {
    "a layer that was swapped": _swapped,
    "an image on a stranger's base": _rebuilt,
}


def _grave(arena: Arena, layout: Path, key: PrivateKey) -> ImageFindings:
    """Check a layout as ``tidegate image check --key`` does; keep what makes it exit with 1."""
    found = check_place(layout, arena.founded.settings, keys=[key.verifier], layers=True)
    grave = tuple(one for one in found.findings if one.severity >= Severity.MEDIUM)
    return ImageFindings(grave, found.coverage)


DRILL = Drill(
    id="DR-REG-07",
    stage=Stage.REGISTRY,
    control=_CONTROL,
    title="A container image with a swapped layer, or on a stranger's base",
    attack=_attack,
    benign=_benign,
    atlas=("AML.T0010.004",),
    missions=("M99",),
)
