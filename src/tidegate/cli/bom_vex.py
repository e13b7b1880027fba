"""``tidegate bom vex``: what a flaw means for the parts of a model."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from tidegate.app.bom import load_bom
from tidegate.cli import output
from tidegate.cli.options import FLAT, Showing, Target, Texts
from tidegate.core.canonical import Json
from tidegate.core.clock import SystemClock, iso
from tidegate.core.errors import UsageError
from tidegate.interop.bom import (
    Assessment,
    Bom,
    Justification,
    Reading,
    Spec,
    State,
    merge_assessments,
    write_bom,
)
from tidegate.version import __version__

app = App(name="vex", help="Say what a flaw means for the parts of a model.")

_Output = Annotated[Target | None, Parameter(show_default=False)]


@app.command
def show(file: Path, /, *, showing: Annotated[Showing, FLAT] = Showing()) -> int:
    """Show the assessments of a document.

    JSON: `assessments` (`id`, `state`, `affects`, `justification`, `reason`, `responses`,
    `publisher`, `time`), `losses` (`where`, `why`, `count`).

    Args:
        file: The document.
        showing: How the answer is written.
    """
    found = load_bom(file)
    output.emit(showing, _all_facts(found), _table(found.bom))
    return 0


@app.command
def add(
    file: Path,
    /,
    *,
    id: str,  # noqa: A002 - the flag's name
    state: State,
    affects: Texts = (),
    justification: Justification | None = None,
    detail: str | None = None,
    response: Texts = (),
    output_: Annotated[_Output, Parameter(name="--output")] = None,
    showing: Annotated[Showing, FLAT] = Showing(),
) -> int:
    """Add an assessment to a document; it replaces an earlier one of the same flaw and part.

    JSON: `assessments` (`id`, `state`, `affects`, `justification`, `reason`, `responses`,
    `publisher`, `time`), `losses` (`where`, `why`, `count`), `document`, the text
    where it goes to no file, `file`.

    Args:
        file: The document.
        id: The flaw: CVE-…, GHSA-…, PYSEC-….
        state: What is known; not_affected wants a reason.
        affects: A part's reference, such as its package URL; the whole model without one.
        justification: Why it is not affected.
        detail: The reason in words.
        response: What is done: can_not_fix, will_not_fix, update, rollback,
            workaround_available.
        output_: The file to write; standard output without it.
        showing: How the answer is written.
    """
    found = load_bom(file)
    bom = found.bom
    known = set(bom.refs)
    unknown = [ref for ref in affects if ref not in known and not ref.startswith("urn:cdx:")]
    if unknown:
        raise UsageError(
            "the document has no such part",
            where=unknown[0][:100],
            next_step="see `tidegate bom show`; packages are named by their package URL",
            slug="no-part",
        )
    wrong = [word for word in response if word not in _RESPONSES]
    if wrong:
        raise UsageError(
            f"no such response: {wrong[0][:40]}",
            where="--response",
            next_step=f"one of {', '.join(sorted(_RESPONSES))}",
            slug="arguments",
        )
    said = Assessment(
        id=id,
        state=state,
        affects=affects or (("model",) if bom.model else ()),
        justification=justification,
        detail=detail,
        responses=response,
        at=SystemClock().now(),
    )
    return _write(found, (*bom.assessments, said), output_, showing)


@app.command
def merge(
    file: Path,
    /,
    *more: Path,
    output_: Annotated[_Output, Parameter(name="--output")] = None,
    showing: Annotated[Showing, FLAT] = Showing(),
) -> int:
    """Write a document with the assessments of others: the newest counts, and of two the worse.

    JSON: `assessments` (`id`, `state`, `affects`, `justification`, `reason`, `responses`,
    `publisher`, `time`), `losses` (`where`, `why`, `count`), `document`, the text
    where it goes to no file, `file`.

    Args:
        file: The document whose parts are kept.
        more: Documents whose assessments are taken.
        output_: The file to write; standard output without it.
        showing: How the answer is written.
    """
    found = load_bom(file)
    others = [item for path in more for item in load_bom(path).bom.assessments]
    return _write(found, (*found.bom.assessments, *others), output_, showing)


_RESPONSES = frozenset(
    {"can_not_fix", "will_not_fix", "update", "rollback", "workaround_available"}
)


def _write(
    found: Reading, items: tuple[Assessment, ...], target: Path | None, showing: Showing
) -> int:
    merged = replace(found.bom, assessments=merge_assessments(items), tool=__version__)
    text = write_bom(merged, Spec.CYCLONEDX_16).decode() + "\n"
    facts = _all_facts(replace(found, bom=merged))
    facts["document"] = text if output.is_stdout(target) else None
    output.emit_document(showing, text, target, facts, [("written", str(target))], _table(merged))
    if found.losses and not showing.as_json:
        output.notice("lost: " + "; ".join(str(loss) for loss in found.losses[:20]))
    return 0


def _all_facts(found: Reading) -> dict[str, Json]:
    return {
        "assessments": [_facts(item) for item in found.bom.assessments],
        "losses": [loss.to_json() for loss in found.losses],
    }


def _table(bom: Bom) -> output.Table:
    rows = [
        (i.id, i.state.value, ", ".join(i.affects), i.justification or i.detail or "")
        for i in bom.assessments
    ]
    return output.Table(("flaw", "state", "parts", "why"), rows, empty="no assessments")


def _facts(item: Assessment) -> dict[str, Json]:
    return {
        "id": item.id,
        "state": item.state.value,
        "affects": list(item.affects),
        "justification": item.justification,
        "reason": item.detail,
        "responses": list(item.responses),
        "publisher": item.source,
        "time": None if item.at is None else iso(item.at),
    }
