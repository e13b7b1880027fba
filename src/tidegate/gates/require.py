"""Require: what policy may know of earlier stages, approvals and directives, as typed facts.

Only verified statements become facts. Evidence that never existed stays *missing*, and a rule that
needs it denies; evidence that does not verify is *unreadable*, and a rule that needs it is
undecided (``chain.broken`` says how much of it there is).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tidegate.core.clock import SECOND, Clock
from tidegate.core.identity.trust import Purpose, TrustRoot
from tidegate.core.policy.directive_state import DirectiveState
from tidegate.core.policy.facts import Fact, FactType
from tidegate.core.stage import Stage, worst
from tidegate.gates.chain import CONTEXT_KINDS, MAKING, Chain, ChainReader, Link
from tidegate.gates.contract import Artifact, GateRequest
from tidegate.gates.runner import EvidenceRef, Gathered


@dataclass(frozen=True, slots=True)
class Requirements:
    """The require step over one workspace's ledger."""

    chains: Callable[[], ChainReader]
    """Makes a reader against the present head."""
    directives: Callable[[], DirectiveState]
    """What holds now."""
    trust: TrustRoot
    principal: str
    clock: Clock

    def gather(self, request: GateRequest) -> Gathered:
        """Return verified facts about the subjects, their chain, approvals and directives."""
        state = self.directives()
        chain = self.chains().read(_starts(request), drill=request.order.drill)
        facts = [
            *self._request(request),
            *self._subject(request, chain, state),
            *self._stages(request, chain),
            *_chain(request, chain, state),
        ]
        evidence = tuple(
            EvidenceRef(link.stage.value, link.verified.index, str(link.verified.envelope))
            for link in sorted(chain.links, key=lambda link: link.verified.index)
        )
        return Gathered(tuple(facts), evidence, tuple(_notes(chain)))

    def _request(self, request: GateRequest) -> Iterator[Fact]:
        order = request.order
        roles = {
            role.value
            for key in self.trust.keys_for(Purpose.ATTEST)
            if key.principal == self.principal
            for role in key.roles
        }
        principals = {key.principal for key in self.trust.keys_for(Purpose.ATTEST)}
        for name, value in (
            ("stage", request.stage.value),
            ("action", order.action),
            ("environment", order.environment),
            ("drill", order.drill),
            ("actor", self.principal),
            ("roles", tuple(sorted(roles))),
            ("distinct_principals", len(principals)),
        ):
            yield Fact.of(f"request.{name}", value, source="request")

    def _subject(self, request: GateRequest, chain: Chain, state: DirectiveState) -> Iterator[Fact]:
        digests = tuple(str(artifact.digest) for artifact in request.subjects)
        first = request.subjects[0]
        under = [digest for digest in chain.nodes if digest not in digests]
        # A directive that this version can't understand may forbid what it mentions.
        doubtful = [digest for digest in (*digests, *under) if state.doubtful(digest)]
        yield Fact.of("subject.kind", first.kind, source="request")
        yield Fact.of("subject.name", first.name, source="request")
        yield Fact.of("subject.digests", digests, source="request")
        producer = self._producer(chain, digests)
        yield Fact.of("subject.producer", producer, source="ledger")
        for name in ("label", "source"):
            value = _annotation(first, chain, name)
            if value:
                yield Fact.of(f"subject.{name}", value, source="annotations")
        held = any(map(state.is_quarantined, digests)) or bool(doubtful)
        yield Fact.of("subject.quarantined", held, source="directives")
        tainted = any(state.is_quarantined(d) or state.is_revoked(d) for d in under)
        yield Fact.of("subject.tainted", tainted, source="directives")
        yield Fact.of("subject.revoked", any(map(state.is_revoked, digests)), source="directives")
        yield from _approvals(request, state, producer)

    def _producer(self, chain: Chain, digests: tuple[str, ...]) -> str:
        """Return who made the subject: who trained it, else prepared it, else brought it in."""
        own = [link for link in chain.links if link.digest in digests]
        made = [link for link in own if link.stage in MAKING]
        last = max((MAKING.index(link.stage) for link in made), default=None)
        first = min(
            own if last is None else (link for link in made if link.stage is MAKING[last]),
            key=lambda link: link.verified.index,
            default=None,
        )
        return first.gate.actor.principal if first else self.principal

    def _stages(self, request: GateRequest, chain: Chain) -> Iterator[Fact]:
        now = self.clock.now()
        for stage in Stage:
            links = _words(request, chain, stage)
            yield Fact.of(f"{stage.value}.present", bool(links), source="ledger")
            if not links:
                continue
            newest = max(links, key=lambda link: link.verified.index)
            oldest = min(link.verified.time for link in links)
            outcome = worst(*(link.gate.outcome for link in links))
            signer = newest.verified.signers[0]
            source = f"log {newest.verified.index}"
            for name, value in (
                ("outcome", outcome.value),
                ("action", newest.gate.gate.action),
                ("signer", signer.principal),
                ("role", ",".join(sorted(signer.roles))),
                ("age_s", max(0, now - oldest) // SECOND),
                ("index", newest.verified.index),
                ("count", len(links)),
            ):
                yield Fact.of(f"{stage.value}.{name}", value, source=source)


def _words(request: GateRequest, chain: Chain, stage: Stage) -> tuple[Link, ...]:
    """Return a stage's statements that count at this gate; none where a subject lacks one."""
    if request.stage in MAKING:
        return chain.of(stage)
    words = [chain.words(stage, str(artifact.digest)) for artifact in request.subjects]
    if not all(words):
        return ()
    unique = {(link.verified.index, link.digest): link for links in words for link in links}
    return tuple(unique.values())


def _starts(request: GateRequest) -> list[str]:
    """Begin at the materials, and at the subjects themselves when those are known already."""
    artifacts = (*request.subjects, *request.materials)
    return [str(item.digest) for item in artifacts if item.kind not in CONTEXT_KINDS]


def _annotation(artifact: Artifact, chain: Chain, name: str) -> str:
    value = artifact.annotations.get(name)
    if not value:
        for link in chain.about(str(artifact.digest)):
            value = link.facts.get(name, value)
    return value if isinstance(value, str) else ""


def _approvals(request: GateRequest, state: DirectiveState, producer: str) -> Iterator[Fact]:
    given = [
        set(state.approvers(str(artifact.digest), request.gate, producer=producer))
        for artifact in request.subjects
    ]
    names = tuple(sorted(set.intersection(*given))) if given else ()
    yield Fact.of("approvals.count", len(names), source="directives")
    yield Fact.of("approvals.names", names, source="directives")


def _chain(request: GateRequest, chain: Chain, state: DirectiveState) -> Iterator[Fact]:
    # What is being made from materials is new: it can't have been attested before.
    new = (
        {str(artifact.digest) for artifact in request.subjects} if request.materials else set[str]()
    )
    for name, value in (
        ("quarantined", sum(map(state.is_quarantined, chain.nodes))),
        ("revoked", sum(map(state.is_revoked, chain.nodes))),
        ("erased", len(chain.erased)),
        ("broken", len(chain.broken)),
    ):
        yield Fact.of(f"chain.{name}", value, source="ledger")
    if chain.broken:
        # What does not verify may be the very statement that is missing: nobody can tell.
        yield Fact.unreadable("chain.unattested", FactType.INT, source=chain.broken[0].why)
        yield Fact.unreadable("chain.complete", FactType.BOOL, source=chain.broken[0].why)
        return
    missing = [digest for digest in chain.unattested if digest not in new]
    yield Fact.of("chain.unattested", len(missing), source="ledger")
    yield Fact.of("chain.complete", chain.complete_without(new), source="ledger")


def _notes(chain: Chain) -> Iterator[str]:
    for broken in chain.broken:
        yield f"log {broken.index} does not verify: {broken.why}"
    for digest in chain.erased:
        yield f"the evidence about {digest[:19]} was erased or is missing"
