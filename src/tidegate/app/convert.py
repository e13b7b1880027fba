"""Convert a model that runs code when it is loaded into one that does not.

::

    converted = convert(Conversion(Path("net.pt"), Path("net.safetensors"), Form.SAFETENSORS))
    converted = convert_recorded(workspace, conversion)    # the same, attested in a workspace

The source is scanned, then loaded and written anew in a confined process, and what comes out must
be clean. In a workspace the whole is a transform of the prepare stage: the converted model's
attestation and SLSA provenance name the original as their material.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tidegate.app.model_rules import rules_in_force
from tidegate.app.produce import CommandRequest, build_job, minimum_tier, publish_provenance
from tidegate.app.workspace import Workspace
from tidegate.core.decision import Decision
from tidegate.core.errors import CheckError, SubjectError, UsageError
from tidegate.core.stage import Outcome, Stage
from tidegate.detect.supply.report import ScanReport
from tidegate.gates.command.produce import Prepared, produce, run_command
from tidegate.gates.contract import Target
from tidegate.gates.convert.gate import (
    INPUT,
    PROGRAM,
    ConvertGate,
    Form,
    check_converted,
    check_source,
)
from tidegate.gates.stamp import stamp
from tidegate.sandbox.order import Completed, Limits, Order, Tier
from tidegate.sandbox.scanner import ConfinedScanner

_WALL_SECONDS: Final = 600
_FRAMEWORKS: Final = frozenset({"torch", "joblib", "numpy", "sklearn", "safetensors", "skops"})


@dataclass(frozen=True, slots=True)
class Conversion:
    """What to convert into what."""

    source: Path
    target: Path
    """A file that does not exist yet."""
    form: Form
    despite_findings: bool = False
    """Whether a source that is not clean is loaded, confined, all the same."""
    dry_run: bool = False

    @property
    def argv(self) -> tuple[str, ...]:
        """The command that runs confined."""
        return (Path(sys.executable).name, "convert_model.py", self.form.value)


@dataclass(frozen=True, slots=True)
class Converted:
    """What came of it."""

    source: ScanReport
    result: ScanReport | None
    """``None`` where nothing was run."""
    decision: Decision | None = None
    """In a workspace."""


def convert(conversion: Conversion) -> Converted:
    """Convert a model, and record nothing.

    Raises:
        UsageError: The target exists.
        SubjectError: There is no such source, it changed meanwhile, or a framework is missing.
        CheckError: The source is not clean, it can't be converted, what came out is not clean, or
            this host can't confine it (fails closed).
    """
    with ConfinedScanner() as scanner, _guarded(conversion) as folder:
        scanned = check_source(conversion.source, scanner, despite=conversion.despite_findings)
        if conversion.dry_run:
            return Converted(scanned, None)
        completed = run_command(
            Order(
                argv=conversion.argv,
                code=PROGRAM,
                inputs={INPUT: conversion.source},
                output=folder,
                limits=Limits(wall_seconds=_WALL_SECONDS),
            )
        )
        result = check_converted(folder, completed.outputs, conversion.form, scanner)
    return Converted(scanned, result)


def convert_recorded(workspace: Workspace, conversion: Conversion) -> Converted:
    """Convert an admitted model, and attest the result as made from it.

    Raises:
        AccessError: The principal may not prepare data; nothing was run.
        UsageError: As for :func:`convert`.
        SubjectError: As for :func:`convert`.
        CheckError: As for :func:`convert`.
    """
    if not conversion.dry_run:
        workspace.notary.authorise(Stage.PREPARE)
    with (
        ConfinedScanner(rules_in_force(workspace)) as scanner,
        _guarded(conversion) as folder,
    ):
        scanned = check_source(conversion.source, scanner, despite=conversion.despite_findings)
        job = build_job(
            workspace,
            CommandRequest(
                argv=conversion.argv,
                inputs={INPUT: conversion.source},
                output=folder,
                code=PROGRAM,
                tier=max(Tier.NAMESPACES, minimum_tier(workspace.settings)),
                dry_run=conversion.dry_run,
            ),
        )
        results: list[ScanReport] = []

        def gate(prepared: Prepared, completed: Completed | None) -> ConvertGate:
            return ConvertGate(prepared, completed, conversion.form, scanner)

        def subjects(output: Path, files: Sequence[str]) -> Sequence[Target]:
            results.append(check_converted(output, files, conversion.form, scanner))
            return (Target(conversion.target.name, "model", output / conversion.form.file),)

        produced = produce(job, run_gate=workspace.run, gate_for=gate, subjects_of=subjects)
        allowed = produced.outputs is not None and produced.outputs.outcome is Outcome.ALLOW
        if not allowed:
            shutil.rmtree(folder, ignore_errors=True)  # what was refused is not kept
        publish_provenance(workspace, produced, job)
    return Converted(scanned, results[0] if allowed else None, produced.decision)


@contextmanager
def _guarded(conversion: Conversion) -> Generator[Path]:
    """Give a folder for what comes out; what is in it at the end becomes the target.

    Raises:
        UsageError: The target exists.
        SubjectError: The source changed meanwhile, or a framework is missing.
        CheckError: It can't be converted.
    """
    target = conversion.target
    if target.exists() or target.is_symlink():
        raise _used(target)
    before = stamp(conversion.source)
    with tempfile.TemporaryDirectory(prefix=".tidegate-convert-", dir=target.parent) as name:
        folder = Path(name, "out")
        folder.mkdir()
        try:
            yield folder
        except CheckError as error:
            raise _explained(error, conversion) or error from None
        if stamp(conversion.source) != before:
            raise SubjectError(
                "the model is not the one that was scanned",
                where=str(conversion.source),
                cause="it was changed meanwhile",
                next_step="run it again over a file that nobody writes to; nothing was kept",
                slug="other-bytes",
            )
        made = folder / conversion.form.file
        if made.exists():
            _put(made, target)


def _put(made: Path, target: Path) -> None:
    """Give a file its place, which a link never takes from what came there meanwhile."""
    try:
        os.link(made, target)
    except FileExistsError:
        raise _used(target) from None
    except OSError:  # a file system without links
        if target.exists():
            raise _used(target) from None
        made.rename(target)


def _used(target: Path) -> UsageError:
    return UsageError(
        "the target exists", where=str(target), next_step="name a new file", slug="target-used"
    )


def _explained(error: CheckError, conversion: Conversion) -> SubjectError | CheckError | None:
    """Say what the program's last words mean; a hostile model may have spoken them."""
    if error.slug != "command-failed":
        return None
    word, _, what = (error.cause or "").partition("its last words: ")[2].partition(" ")
    if word == "no-framework" and what in _FRAMEWORKS:
        return SubjectError(
            f"a framework is not installed: {what}",
            where=str(conversion.source),
            cause="converting loads the model with the framework that wrote it",
            next_step=f"pip install {what}, beside Tidegate",
            slug="no-framework",
        )
    if word in {"not-convertible", "not-loadable"}:
        return CheckError(
            f"the model can't be converted to {conversion.form.value}",
            where=str(conversion.source),
            cause=what[:300],
            next_step="tensors go to safetensors, estimators of scikit-learn to skops",
            slug=word,
        )
    return None
