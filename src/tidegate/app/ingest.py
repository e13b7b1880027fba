"""Admit data: what it is, who answers for it, what it is compared with, and what follows a refusal.

::

    decision = admit(workspace, AdmitRequest(
        path=Path("drop.csv"), source="feed-a", owner="Risk", licence="CC-BY-4.0",
        label="internal", target="default",
    ))

The bytes of an admitted table are kept by digest, so that the source's next drop can be compared
with them.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path

from tidegate.app.history import History, Version
from tidegate.app.workspace import Workspace
from tidegate.core.artifact.reference import Resolved, resolve
from tidegate.core.canonical import Json, dumps
from tidegate.core.decision import Decision
from tidegate.core.digest import Digest
from tidegate.core.errors import SubjectError, UnreadableSubject, UsageError
from tidegate.core.identity.roles import Role
from tidegate.core.identity.trust import Purpose
from tidegate.core.policy.directives import Approve, Quarantine
from tidegate.core.stage import Outcome, Stage
from tidegate.gates.contract import Order, Target
from tidegate.gates.ingest.gate import IngestGate
from tidegate.gates.ingest.governance import UNREGISTERED, Duties
from tidegate.gates.ingest.poisoning import Comparison
from tidegate.gates.ingest.privacy import LABELS
from tidegate.tables.infer import infer_schema
from tidegate.tables.load import TableFile, is_tabular
from tidegate.tables.schema import TableSchema

ACTION = "ingest/admit"
"""What an approval of data is for."""
_HOLDING = {"pii": "sensitive values above the label", "poison": "signs of poisoning"}
"""Checks whose findings put refused data into quarantine."""
_MAX_SCHEMA = 8 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmitRequest:
    """Data to admit. A duty that is left empty is a finding, not an error."""

    path: Path
    source: str = ""
    """Name of a registered source."""
    owner: str = ""
    """Who answers for the data."""
    licence: str = ""
    label: str = ""
    """One of :data:`tidegate.gates.ingest.privacy.LABELS`."""
    schema: Path | None = None
    """A schema file (``tidegate/schema/v1``); inferred without one. Tables only."""
    target: str | None = None
    """The label column; without it the one of the source's last admitted version."""
    feed: str | None = None
    """The column that says which feed a row came from."""
    name: str | None = None
    """How people call it; the file's name without one."""
    approve: bool = False
    """Sign an approval too."""
    environment: str = "default"
    dry_run: bool = False
    drill: bool = False


def admit(workspace: Workspace, request: AdmitRequest) -> Decision:
    """Judge data at the ingest gate; keep what is admitted, quarantine what is dangerous.

    Raises:
        SubjectError: The path can't be an artifact, is no table of its schema, or has no such
            column.
        UsageError: There is no such label, or an option does not fit the data.
        AccessError: The principal may not admit data.
        StoreError: The table's bytes can't be kept; nothing was admitted then.
    """
    _check(request)
    if not request.dry_run:
        workspace.notary.authorise(Stage.INGEST)
    case = _case(workspace, request)
    new = [] if request.dry_run else _keep(workspace, case)
    admitted = False
    try:
        if request.approve and not request.dry_run:
            _approve(workspace, case)
        gate = IngestGate(
            lambda: _duties(workspace, case),
            case.data,
            request.label,
            case.comparison,
            case.tables,
        )
        schemas = {case.name: case.schema} if case.schema else {}
        decision = workspace.run(gate, _order(case), schemas)
        admitted = decision.outcome is Outcome.ALLOW
    finally:
        if not admitted:
            for digest in new:
                workspace.blobs.delete(digest)
    held = _hold(workspace, decision, case)
    return replace(decision, notes=(*decision.notes, *_notes(decision, case), *held))


@dataclass(frozen=True, slots=True)
class _Case:
    """A request whose data is resolved."""

    request: AdmitRequest
    found: Resolved
    schema: TableSchema | None
    """``None`` where the data is no table."""
    data: TableFile | Path
    comparison: Comparison
    tier: str
    lent: bool
    """Whether the references are other sources' tables."""
    tables: Mapping[str, tuple[TableFile, Comparison]] = field(
        default_factory=dict[str, tuple[TableFile, Comparison]]
    )
    """The tables of a folder, by their paths in it."""

    @property
    def name(self) -> str:
        return self.request.name or self.found.name

    @property
    def digest(self) -> Digest:
        return self.found.digest


def _check(request: AdmitRequest) -> None:
    if request.label and request.label not in LABELS:
        raise UsageError(
            "no such label",
            where=request.label[:100],
            next_step=f"use {', '.join(LABELS)}",
            slug="bad-label",
        )
    tabular = request.path.is_file() and is_tabular(request.path)
    columns = request.target or request.feed
    unfit = request.schema or (columns and not _tables(request.path))
    if not tabular and request.path.exists() and unfit:
        raise UsageError(
            "only a table has a schema and columns",
            where=str(request.path),
            next_step="name a .csv, .tsv, .jsonl or .parquet file, or leave these options out",
            slug="not-a-table",
        )


def _case(workspace: Workspace, request: AdmitRequest) -> _Case:
    tabular = request.path.is_file() and is_tabular(request.path)
    files = () if tabular else _tables(request.path)
    found = resolve(request.path, kind="table" if tabular or files else "dataset")
    registered = workspace.directives().sources.get(request.source)
    tier = registered.tier if registered else UNREGISTERED
    if files:
        return _folder_case(workspace, request, found, files, tier)
    if not tabular:
        return _Case(request, found, None, request.path, Comparison(), tier, lent=False)
    schema = _schema(request)
    columns = {column.name for column in schema.columns}
    for column in (request.target, request.feed):
        if column is not None and column not in columns:
            raise SubjectError(
                "the table has no such column",
                where=f"{request.path}: {column}"[:300],
                next_step="name one of " + ", ".join(sorted(columns)[:8]),
                slug="no-such-column",
            )
    history = History.read(workspace, without=str(found.digest))
    comparison, lent = _compared(workspace, history, request, schema)
    data = TableFile(request.path, schema)
    return _Case(request, found, schema, data, comparison, tier, lent)


def _folder_case(
    workspace: Workspace,
    request: AdmitRequest,
    found: Resolved,
    files: tuple[Path, ...],
    tier: str,
) -> _Case:
    history = History.read(workspace, without=str(found.digest))
    tables: dict[str, tuple[TableFile, Comparison]] = {}
    lent = False
    for file in files:
        schema = infer_schema(file)
        comparison, lends = _compared(workspace, history, request, schema)
        tables[file.relative_to(request.path).as_posix()] = TableFile(file, schema), comparison
        lent = lent or lends
    whole = max((item for _, item in tables.values()), key=lambda one: len(one.references))
    return _Case(request, found, None, request.path, whole, tier, lent, tables)


def _tables(folder: Path) -> tuple[Path, ...]:
    """Return the tables in a folder that have anything in them."""
    if not folder.is_dir():
        return ()
    files = (item for item in folder.rglob("*") if item.is_file() and is_tabular(item))
    return tuple(sorted(item for item in files if item.stat().st_size))


def _compared(
    workspace: Workspace, history: History, request: AdmitRequest, schema: TableSchema
) -> tuple[Comparison, bool]:
    """Return with what a table is compared, and whether that is other sources' tables."""
    own = history.of(request.source)
    target = request.target or next((item.target for item in own if item.target), None)
    versions = own or history.like(schema, target)
    references = tuple(version.reference(workspace) for version in _usable(workspace, versions))
    return Comparison(references, target, request.feed), not own


def _usable(workspace: Workspace, versions: tuple[Version, ...]) -> tuple[Version, ...]:
    """Return the versions whose bytes are here; where all are gone the newest, which fails."""
    here = tuple(item for item in versions if workspace.blobs.has(Digest.parse(item.digest)))
    return here or versions[:1]


def _schema(request: AdmitRequest) -> TableSchema:
    if request.schema is None:
        return infer_schema(request.path)
    try:
        with request.schema.open("rb") as file:
            value: Json = json.loads(file.read(_MAX_SCHEMA))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(
            "the schema can't be read",
            where=str(request.schema),
            cause=type(error).__name__,
            next_step="give --schema a tidegate/schema/v1 JSON file, or leave it out",
            slug="bad-schema-file",
        ) from None
    return TableSchema.from_json(value)


def _keep(workspace: Workspace, case: _Case) -> list[Digest]:
    """Keep a table's bytes and its schema; return what was not kept before."""
    if case.schema is None:
        return []
    new: list[Digest] = []
    known = workspace.blobs.has(case.digest), workspace.blobs.has(case.schema.digest)
    with case.found.path.open("rb") as file:
        kept = workspace.blobs.put(file)
    if kept != case.digest:
        workspace.blobs.delete(kept)
        raise UnreadableSubject(
            "the data changed while it was read",
            where=str(case.found.path),
            next_step="admit it again when nobody writes to it",
            slug="changed",
        )
    schema = workspace.blobs.put(BytesIO(dumps(case.schema.to_json())))
    new += [digest for digest, had in zip((kept, schema), known, strict=True) if not had]
    return new


def _approve(workspace: Workspace, case: _Case) -> None:
    workspace.act(
        Approve(subject=str(case.digest), action=ACTION, reason=f"admits {case.name}"[:600])
    )


def _duties(workspace: Workspace, case: _Case) -> Duties:
    request, state = case.request, workspace.directives()
    stewards = {
        key.principal
        for key in workspace.trust.keys_for(Purpose.ATTEST)
        if Role.STEWARD in key.roles
    }
    registered = state.sources.get(request.source)
    owners = {request.owner, registered.owner if registered else None}
    # The signature under the admission is its signer's approval.
    given = {*state.approvers(str(case.digest), ACTION, producer=None), workspace.act_as or ""}
    return Duties(
        owner=request.owner,
        source=request.source,
        licence=request.licence,
        label=request.label,
        tier=case.tier,
        approvers=tuple(sorted(name for name in given & stewards if name not in owners)),
    )


def _order(case: _Case) -> Order:
    request, comparison = case.request, case.comparison
    stated: dict[str, Json] = {
        "label": request.label,
        "source": request.source,
        "owner": request.owner,
        "licence": request.licence,
        "tier": case.tier,
        "target": comparison.target,
    }
    if case.schema is not None:
        stated["format"] = request.path.suffix.lower()
    return Order(
        action="admit",
        subjects=(
            Target(
                case.name,
                case.found.kind,
                request.path,
                case.digest,
                {name: value for name, value in stated.items() if value},
            ),
        ),
        parameters={
            "source": request.source,
            "target": comparison.target,
            "feed": comparison.feed,
            "references": [item.digest for item in comparison.references],
        },
        environment=request.environment,
        dry_run=request.dry_run,
        drill=request.drill,
    )


def _hold(workspace: Workspace, decision: Decision, case: _Case) -> tuple[str, ...]:
    """Put data into quarantine that was refused for what is in it."""
    refused = {rule.control for rule in decision.denials if rule.outcome is Outcome.DENY}
    why = [
        _HOLDING[check.id]
        for check in decision.checks
        if check.id in _HOLDING and check.findings and check.control in refused
    ]
    if decision.outcome is not Outcome.DENY or not why:
        return ()
    if decision.index is None or case.request.drill:
        return (f"would be put into quarantine: {' and '.join(why)}",)
    if workspace.directives().is_quarantined(str(case.digest)):
        return ("it is in quarantine already",)
    reason = f"refused at log {decision.index}: {' and '.join(why)}"
    receipt = workspace.act(Quarantine(digest=str(case.digest), reason=reason))
    undo = "`tidegate quarantine release` ends it"
    return (f"put into quarantine (log {receipt.index}): {' and '.join(why)}; {undo}",)


def _notes(decision: Decision, case: _Case) -> tuple[str, ...]:
    """Say what the poisoning test rested on."""
    if case.schema is None and not case.tables:
        return ("not a table: no test for poisoned labels",)
    facts = next((check.facts for check in decision.checks if check.id == "poison"), {})
    if facts.get("compared"):
        of_whom = "other sources' tables" if case.lent else "earlier versions of the source"
        return (f"compared with {facts.get('references')} {of_whom}",)
    if case.comparison.target is None:
        return ("no label column is known: only repeated rows were measured, not labels",)
    if facts.get("tested") == "feeds":
        return ("nothing admitted to compare with: only the drop's feeds were compared",)
    if facts:
        return ("nothing admitted to compare with: only repeated rows were measured",)
    return ()
