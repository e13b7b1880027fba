"""Statements about one artifact, verified one by one: the first of a stage, or the newest.

A chain keeps the newest statement of each stage; who asks *since when* something stands, or what a
particular action stated, asks here. What does not verify is left out, as if it were not there.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from tidegate.core.attest.gate import GatePredicate
from tidegate.core.errors import TidegateError
from tidegate.core.stage import Outcome, Stage
from tidegate.core.verify import VerifiedEntry
from tidegate.gates.chain import ChainReader, originals


@dataclass(frozen=True, slots=True)
class Query:
    """Which statements are wanted."""

    stages: Collection[Stage]
    action: str | None = None
    """Any action where absent."""
    outcome: Outcome | None = Outcome.ALLOW
    """Any outcome where absent."""
    drill: bool = False


@dataclass(frozen=True, slots=True)
class Spoken:
    """A verified gate statement."""

    verified: VerifiedEntry
    gate: GatePredicate

    @property
    def index(self) -> int:
        """Log index."""
        return self.verified.index


def first(chains: ChainReader, digest: str, query: Query) -> Spoken | None:
    """Return the oldest statement about an artifact that fits and verifies."""
    return next(_spoken(chains, digest, query, newest_first=False), None)


def newest(chains: ChainReader, digest: str, query: Query) -> Spoken | None:
    """Return the newest statement about an artifact that fits and verifies."""
    return next(_spoken(chains, digest, query, newest_first=True), None)


def newest_first(chains: ChainReader, digest: str, query: Query) -> Iterator[Spoken]:
    """Yield the statements about an artifact that fit and verify, newest first."""
    return _spoken(chains, digest, query, newest_first=True)


def _spoken(
    chains: ChainReader, digest: str, query: Query, *, newest_first: bool
) -> Iterator[Spoken]:
    fitting = (
        said.logged
        for said in originals(chains.statements, digest, drill=query.drill)
        if said.logged is not None
        and said.claim is not None
        and said.claim.stage in query.stages
        and said.claim.drill is query.drill
    )
    for logged in reversed([*fitting]) if newest_first else fitting:
        try:
            link = chains.verify(logged, digest)
        except TidegateError:
            continue  # what does not verify says nothing; the chain walk reports it
        gate = link.gate
        if query.action is not None and gate.gate.action != query.action:
            continue
        if query.outcome is None or gate.outcome is query.outcome:
            yield Spoken(link.verified, gate)
