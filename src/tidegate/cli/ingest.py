"""``tidegate ingest``: the register of sources, and the admission of data."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

from cyclopts import App

from tidegate.app.sources import add_source, remove_source
from tidegate.cli import acts, output, session
from tidegate.cli.options import FLAT, Acting, Flag, Gating, Reading, Text

app = App(name="ingest", help="Register sources and admit data.")
sources = App(name="source", help="The register of sources.")
app.command(sources)


class Tier(StrEnum):
    """How far a source is trusted."""

    TRUSTED = "trusted"
    PARTNER = "partner"
    WEB = "web"


class Label(StrEnum):
    """How sensitive data is."""

    PUBLIC = "public"
    INTERNAL = "internal"
    CONFIDENTIAL = "confidential"
    RESTRICTED = "restricted"


@app.command
def admit(
    path: Path,
    /,
    *,
    source: Text = "",
    owner: Text = "",
    licence: Text = "",
    label: Label | None = None,
    schema: str = "infer",
    target_column: str | None = None,
    feed_column: str | None = None,
    name: str | None = None,
    also_approve: Flag = False,
    gating: Annotated[Gating, FLAT] = Gating(),
) -> int:
    """Judge data at the ingest gate: governance, sensitive values, poisoned labels.

    Args:
        path: A table (.csv, .tsv, .jsonl, .parquet), another file, or a folder.
        source: The registered source that it comes from.
        owner: Who answers for it.
        licence: What it may be used for.
        label: How sensitive it is; what it holds must fit.
        schema: A schema file, or infer.
        target_column: The column with the labels; without it, the one of the last version.
        feed_column: The column that says which feed a row came from.
        name: What to call it; the file's name without this.
        also_approve: Sign an approval too.
        gating: Who signs, and how the result is shown.
    """
    from tidegate.app.ingest import AdmitRequest  # noqa: PLC0415 - pyarrow only when data is read
    from tidegate.app.ingest import admit as run  # noqa: PLC0415 - same

    request = AdmitRequest(
        path=path,
        source=source,
        owner=owner,
        licence=licence,
        label=label.value if label else "",
        schema=None if schema == "infer" else Path(schema),
        target=target_column,
        feed=feed_column,
        name=name,
        approve=also_approve,
        dry_run=gating.dry_run,
    )
    workspace = session.acting(gating)
    with output.progress(f"admitting {path}", quiet=gating.quiet):
        decision = run(workspace, request)
    return output.emit_decision(decision, gating)


@sources.command
def add(
    name: str,
    /,
    *,
    tier: Tier,
    owner: str,
    licence: Text = "",
    reason: Text = "",
    acting: Annotated[Acting, FLAT] = Acting(),
) -> int:
    """Register a source, or change what the register says of it.

    JSON: `act`, `index`, `envelope`, `dryRun`.

    Args:
        name: The source's name.
        tier: How far it is trusted.
        owner: Who answers for it.
        licence: Under which licence it delivers.
        reason: Why, for the record.
        acting: Who signs, and how the answer is shown.
    """
    workspace = session.acting(acting)
    act = add_source(workspace, name, tier=tier.value, owner=owner, licence=licence, reason=reason)
    return acts.perform(workspace, act, acting)


@sources.command
def remove(name: str, /, *, reason: Text = "", acting: Annotated[Acting, FLAT] = Acting()) -> int:
    """Take a source off the register; what it delivers from then on is refused.

    JSON: `act`, `index`, `envelope`, `dryRun`.

    Args:
        name: The source's name.
        reason: Why, for the record.
        acting: Who signs, and how the answer is shown.
    """
    workspace = session.acting(acting)
    act = remove_source(workspace, name, reason=reason)
    return acts.perform(workspace, act, acting)


@sources.command(name="list")
def list_(*, reading: Annotated[Reading, FLAT] = Reading()) -> int:
    """List the registered sources.

    JSON: `sources` (`source`, `tier`, `owner`, `licence`, `reason`).

    Args:
        reading: Where the workspace is, and how the answer is shown.
    """
    known = sorted(session.reading(reading).directives().sources.items())
    facts = [
        {"source": name, "tier": item.tier, "owner": item.owner, "licence": item.licence,
         "reason": item.reason}
        for name, item in known
    ]  # fmt: skip
    rows = [(name, item.tier, item.owner, item.licence) for name, item in known]
    nothing = "no source is registered: tidegate ingest source add NAME --tier TIER --owner WHO"
    table = output.Table(("source", "tier", "owner", "licence"), rows, nothing)
    output.emit(reading, {"sources": facts}, table)
    return 0
