"""``tidegate scan convert``: make a model that runs nothing out of one that does."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tidegate.app.convert import Conversion, Converted, convert_recorded
from tidegate.app.convert import convert as convert_alone
from tidegate.cli import output, session
from tidegate.cli.options import FLAT, Flag, Gating
from tidegate.core.artifact.reference import resolve
from tidegate.core.decision import SubjectRef
from tidegate.core.errors import UsageError
from tidegate.core.finding import Coverage, Severity
from tidegate.gates.convert.gate import Form
from tidegate.report import Report


def convert(
    source: Path,
    target: Path,
    /,
    *,
    to: Annotated[Form | None, Parameter(show_default=False)] = None,
    despite_findings: Flag = False,
    options: Annotated[Gating, FLAT] = Gating(),
) -> int:
    """Load a model in a confined process, and write it in a format that runs nothing.

    Checkpoints of tensors or arrays (pickle, joblib, PyTorch) become safetensors, estimators of
    scikit-learn become skops. The source is scanned first; what comes out is scanned, and kept only
    where it is clean. Run in a workspace (or with -C), the result is attested as made from the
    source, which must be admitted. Needs the frameworks of both formats beside Tidegate.

    Args:
        source: The model file.
        target: A new file.
        to: What to write; told by the target's ending without it.
        despite_findings: Load a source that is not clean, too. What it does happens without a
            network, with no files but itself; but what it leaves is its own choice.
        options: Who signs in a workspace, and how the result is shown.
    """
    conversion = Conversion(
        source, target, to or _form(target), despite_findings, dry_run=options.dry_run
    )
    recorded = (options.workspace / ".tidegate").is_dir()
    with output.progress(f"converting {source}", quiet=options.quiet):
        done = (
            convert_recorded(session.acting(options), conversion)
            if recorded
            else convert_alone(conversion)
        )
    if done.decision is not None:
        return output.emit_decision(done.decision, options)
    return output.emit_report(_report(done, conversion, options), options)


def _form(target: Path) -> Form:
    ending = target.suffix.removeprefix(".").lower()
    if ending not in set(Form):
        raise UsageError(
            "the target's ending tells no format",
            where=str(target),
            next_step="name it .safetensors or .skops, or say --to",
            slug="arguments",
        )
    return Form(ending)


def _report(done: Converted, conversion: Conversion, options: Gating) -> Report:
    notes = [f"source: {done.source.status.value}"]
    subjects: tuple[SubjectRef, ...] = ()
    if done.result is None:
        notes.append("a dry run: nothing was loaded")
    else:
        made = resolve(conversion.target, kind="model")
        subjects = (SubjectRef(made.name, made.kind, str(made.digest)),)
        notes.append("no workspace: what it was made from is recorded nowhere")
    return Report.of_findings(
        f"scan convert {conversion.source}",
        () if done.result is None else done.result.findings,
        Coverage(1, 1, unit="file") if done.result is None else done.result.coverage,
        subjects=subjects,
        notes=tuple(notes),
        fail_on=Severity.INFO if options.fail_on is None else options.fail_on,
    )
