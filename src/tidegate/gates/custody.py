"""The chain of custody as an answer: each gate's word on the way to the raw sources, and each gap.

>>> Custody("sha256:…", "model", "model", (), (), (), ("train has no word on it",)).outcome
<Outcome.DENY: 'deny'>
"""

from collections.abc import Iterator
from dataclasses import dataclass

from tidegate.core.canonical import Json
from tidegate.core.clock import SECOND, Micros, iso
from tidegate.core.policy.directive_state import DirectiveState
from tidegate.core.stage import Outcome, Stage
from tidegate.gates.chain import Broken, Chain, Link

MODEL_STAGES = (Stage.INGEST, Stage.PREPARE, Stage.TRAIN, Stage.VALIDATE, Stage.REGISTRY)
"""What a model's chain must hold; a deployment's also holds serve."""
_JUDGING = frozenset({Stage.VALIDATE, Stage.REGISTRY, Stage.SERVE, Stage.MONITOR})
"""Stages that judge models only."""


@dataclass(frozen=True, slots=True)
class Step:
    """One gate's verified word about one artifact."""

    stage: Stage
    action: str
    outcome: Outcome
    name: str
    kind: str
    digest: str
    signer: str
    roles: tuple[str, ...]
    index: int
    time: Micros
    age_s: int

    def to_json(self) -> dict[str, Json]:
        """Return all fields."""
        return {
            "stage": self.stage.value,
            "action": self.action,
            "outcome": self.outcome.value,
            "name": self.name,
            "kind": self.kind,
            "digest": self.digest,
            "signer": self.signer,
            "roles": list(self.roles),
            "index": self.index,
            "time": iso(self.time),
            "age_s": self.age_s,
        }


@dataclass(frozen=True, slots=True)
class Custody:
    """The walk from an artifact to its sources."""

    digest: str
    name: str
    kind: str
    steps: tuple[Step, ...]
    """In the order of the stages, then of the log."""
    sources: tuple[str, ...]
    """Names of the admitted raw sources at the end of the walk."""
    broken: tuple[Broken, ...]
    """Statements that do not verify."""
    gaps: tuple[str, ...]
    """What is missing, refused, held or revoked, one sentence each."""

    @property
    def outcome(self) -> Outcome:
        """Allow only where every link verifies and nothing is missing."""
        if self.broken or self.gaps or not self.steps:
            return Outcome.DENY
        return Outcome.ALLOW

    @property
    def exit_code(self) -> int:
        """0 whole, 5 something does not verify, 1 something is missing or refused."""
        if self.broken:
            return 5
        return 0 if self.outcome is Outcome.ALLOW else 1

    def to_json(self) -> dict[str, Json]:
        """Return the machine-readable report (schema: custody/v1)."""
        return {
            "schema": "custody/v1",
            "digest": self.digest,
            "name": self.name,
            "kind": self.kind,
            "outcome": self.outcome.value,
            "steps": [step.to_json() for step in self.steps],
            "sources": list(self.sources),
            "broken": [
                {"index": item.index, "digest": item.digest, "why": item.why}
                for item in self.broken
            ],
            "gaps": list(self.gaps),
        }


def custody(
    chain: Chain,
    digest: str,
    *,
    state: DirectiveState,
    now: Micros,
    wanted: tuple[Stage, ...] | None = None,
) -> Custody:
    """Judge a chain.

    Args:
        chain: What was read and verified.
        digest: The artifact that the walk began at.
        state: The directives in force.
        now: The present, for ages.
        wanted: Stages that must have spoken; those of a model where absent and it is one.
    """
    kind = chain.kinds.get(digest, "artifact")
    if wanted is None:
        wanted = MODEL_STAGES if _is_model(chain, digest) else (Stage.INGEST,)
    order = list(Stage)
    links = sorted(chain.links, key=lambda link: (order.index(link.stage), link.verified.index))
    return Custody(
        digest,
        chain.names.get(digest, digest[:19]),
        kind,
        tuple(_step(link, chain, now) for link in links),
        tuple(sorted(chain.names.get(raw, raw) for raw in chain.raw)),
        chain.broken,
        tuple(_gaps(chain, digest, state, wanted)),
    )


def _is_model(chain: Chain, digest: str) -> bool:
    """Tell by its statements: a name that somebody gave it before must not make it less."""
    own = chain.about(digest)
    trained = any(link.stage is Stage.TRAIN and link.gate.gate.action == "admit" for link in own)
    judged = any(link.stage in _JUDGING for link in own)
    return trained or judged or chain.kinds.get(digest) == "model"


def _step(link: Link, chain: Chain, now: Micros) -> Step:
    signer = link.verified.signers[0]
    return Step(
        link.stage,
        link.gate.gate.action,
        link.gate.outcome,
        chain.names.get(link.digest, link.digest[:19]),
        chain.kinds.get(link.digest, "artifact"),
        link.digest,
        signer.principal,
        tuple(sorted(role.value for role in signer.roles)),
        link.verified.index,
        link.verified.time,
        max(0, now - link.verified.time) // SECOND,
    )


def _gaps(
    chain: Chain, digest: str, state: DirectiveState, wanted: tuple[Stage, ...]
) -> Iterator[str]:
    for stage in wanted:
        if not chain.words(stage, digest):
            yield f"{stage.value}: no word of this gate"
    for link in chain.links:
        if link.stage in wanted and link.gate.outcome is not Outcome.ALLOW:
            called = _called(chain, link.digest)
            yield f"{link.stage.value}: {link.gate.outcome.value} for {called}"
    for found, sentence in (
        (chain.unattested, "no gate allowed {}"),
        (chain.erased, "the evidence about {} was erased or is missing"),
        (filter(state.is_quarantined, chain.nodes), "in quarantine: {}"),
        (filter(state.is_revoked, chain.nodes), "revoked: {}"),
    ):
        for node in found:
            yield sentence.format(_called(chain, node))
    if not chain.complete:
        yield "not every path ends at an admitted source"


def _called(chain: Chain, digest: str) -> str:
    return f"{chain.names.get(digest, 'artifact')} ({digest[:19]})"
