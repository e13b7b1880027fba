"""A model's record as people ask for it: its versions, its stages, and what stands behind each.

::

    record = model_record(workspace, "tumour")
    print(record.versions[-1].scan, record.stages[0].targets)
"""

from collections.abc import Iterator
from dataclasses import dataclass

from tidegate.app.holdings import Holding, Holdings, NotKept
from tidegate.app.workspace import Workspace
from tidegate.core.canonical import Json
from tidegate.core.clock import iso
from tidegate.core.errors import SubjectError
from tidegate.core.identity.trust import TrustedKey
from tidegate.core.policy.directive_state import DirectiveState, Named
from tidegate.interop.bom import score
from tidegate.interop.bundle import KeyHint


@dataclass(frozen=True, slots=True)
class VersionRecord:
    """One version, and what was signed and kept of it."""

    name: str
    """``NAME@VERSION``"""
    digest: str
    named: Named
    """Who gave it its meaning, when, and where the log has it."""
    state: str
    """``free``, ``quarantined`` or ``revoked``."""
    reason: str
    """Why it is held; empty where it is not."""
    stages: tuple[str, ...]
    """Stages that mean it now."""
    made: tuple[str, ...]
    """What it was made from, by the statements of the gates."""
    admitted: int | None
    """Log index of the newest admission that verifies."""
    scan: str
    bom: str
    signature: str

    def to_json(self) -> dict[str, Json]:
        """Return the fields that a program reads."""
        act = self.named.act
        return {
            "name": self.name,
            "digest": self.digest,
            "principal": act.principal,
            "time": iso(act.time),
            "index": self.admitted,
            "state": self.state,
            "reason": self.reason or None,
            "stages": list(self.stages),
            "made": list(self.made),
            "scan": self.scan,
            "parts": self.bom,
            "signature": self.signature,
        }


@dataclass(frozen=True, slots=True)
class Move:
    """A stage began to mean something."""

    to: str
    """``NAME@VERSION``, or a digest that is no version."""
    named: Named

    def to_json(self) -> dict[str, Json]:
        """Return the fields that a program reads."""
        act = self.named.act
        return {
            "to": self.to,
            "digest": self.named.digest,
            "principal": act.principal,
            "time": iso(act.time),
            "index": act.index,
            "reason": act.reason,
        }


@dataclass(frozen=True, slots=True)
class StageRecord:
    """One stage of a model."""

    name: str
    """``NAME/STAGE``"""
    moves: tuple[Move, ...]
    """Oldest first; the last is what it means."""
    targets: tuple[str, ...]
    """Versions that it can be rolled back to now."""

    def to_json(self) -> dict[str, Json]:
        """Return the fields that a program reads."""
        return {
            "name": self.name,
            "digest": self.moves[-1].named.digest,
            "history": [move.to_json() for move in self.moves],
            "targets": list(self.targets),
        }


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """All of one name."""

    name: str
    versions: tuple[VersionRecord, ...]
    """In the order of their admission."""
    stages: tuple[StageRecord, ...]


def model_record(workspace: Workspace, reference: str) -> ModelRecord:
    """Return the record of a model, or of one version of it.

    Args:
        workspace: Whose registry.
        reference: ``NAME`` or ``NAME@VERSION``.

    Raises:
        SubjectError: There is none.
    """
    name, version, _ = reference.partition("@")
    state, holdings = workspace.directives(), Holdings.read(workspace)
    found = [
        _version(holdings, state, holding, alias)
        for holding in holdings.models
        for alias in holding.versions
        if alias == reference or (not version and alias.startswith(f"{name}@"))
    ]
    if not found:
        raise SubjectError(
            "no such model is registered",
            where=reference[:200],
            next_step="see `tidegate registry list`",
            slug="not-admitted",
        )
    found.sort(key=lambda one: one.named.act.index)
    return ModelRecord(name, tuple(found), tuple(_stages(state, name)))


def _version(
    holdings: Holdings, state: DirectiveState, model: Holding, alias: str
) -> VersionRecord:
    hold = state.revoked.get(model.digest) or state.quarantined.get(model.digest)
    chain = holdings.chain(model)
    made = tuple(
        f"{chain.names.get(source, '')} {source[:19]}".strip()
        for source, target in chain.edges
        if target == model.digest
    )
    try:
        admitted: int | None = holdings.admission(model).index
    except NotKept:
        admitted = None
    return VersionRecord(
        alias,
        model.digest,
        state.aliases[alias][-1],
        model.held or "free",
        hold.reason if hold else "",
        model.stages,
        made,
        admitted,
        _scan(holdings, model),
        _bom(holdings, model),
        _signature(holdings, model),
    )


def _scan(holdings: Holdings, model: Holding) -> str:
    try:
        checks = holdings.admission(model).gate.checks
    except NotKept as error:
        return str(error)
    for check in checks:
        if check.get("id") == "scan":
            coverage, findings = check["coverage"], len(check["findings"])
            told = f"{findings} findings" if findings else "clean"
            return f"{told}, {coverage['examined']} of {coverage['planned']} files examined"
    return "it was admitted without one"


def _bom(holdings: Holdings, model: Holding) -> str:
    try:
        bom = holdings.bom(model).bom
    except NotKept as error:
        return str(error)
    return f"{len(bom.packages)} packages, {len(bom.data)} data sets, score {score(bom).total}"


def _signature(holdings: Holdings, model: Holding) -> str:
    try:
        material = holdings.signature(model).material
        index = holdings.admission(model).index
    except NotKept as error:
        return str(error)
    if not isinstance(material, KeyHint):
        return "by a certificate"
    keys = [one for one in holdings.workspace.trust.keys if one.key.hint == material.hint]
    return _signer(keys[0], holdings.workspace.directives(), index) if keys else "by an unknown key"


def _signer(key: TrustedKey, state: DirectiveState, index: int) -> str:
    counts = state.key_holds(key.key.key_id, index)
    name = key.name or f"key {key.key.key_id[:12]}"
    return f"by {key.principal} ({name})" + ("" if counts else ", whose key is revoked")


def _stages(state: DirectiveState, name: str) -> Iterator[StageRecord]:
    called = {
        history[-1].digest: alias
        for alias, history in sorted(state.aliases.items())
        if alias.startswith(f"{name}@")
    }
    for alias, history in sorted(state.aliases.items()):
        if not alias.startswith(f"{name}/"):
            continue
        moves = tuple(Move(called.get(one.digest, one.digest), one) for one in history)
        now = history[-1].digest
        free = {
            one.digest
            for one in history
            if not (state.is_quarantined(one.digest) or state.is_revoked(one.digest))
        }
        targets = [called[digest] for digest in free - {now} if digest in called]
        yield StageRecord(alias, moves, tuple(sorted(targets)))
