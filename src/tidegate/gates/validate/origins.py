"""Where validation sets come from, as the ledger says it: independent, and locked before training.

Two sets are independent when they share no raw source, no registered source and no owner. They are
locked when each was admitted before the model that they judge existed: nobody could choose their
rows by what the model gets right.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from tidegate.core.errors import CheckError
from tidegate.core.finding import Coverage, Finding, Location
from tidegate.core.stage import Outcome, Stage
from tidegate.gates.chain import Chain, ChainReader, Link
from tidegate.gates.contract import Artifact, CheckResult, GateRequest
from tidegate.gates.history import Query, first
from tidegate.gates.validate.rules import LATE_SET, SAME_SOURCE, UNKNOWN_SOURCE


@dataclass(frozen=True, slots=True)
class Origin:
    """What the ledger says about one set."""

    name: str
    raw: frozenset[str]
    """Digests of the sources at the end of its chain."""
    sources: frozenset[str]
    """Names of registered sources."""
    owners: frozenset[str]
    admitted: int | None
    """Log index of the first statement that allowed it."""
    fault: str = ""
    """Why its source is not known."""

    def shares(self, other: "Origin") -> str:
        """Return what two sets have in common, or nothing."""
        for what, mine, theirs in (
            ("raw data", self.raw, other.raw),
            ("source", self.sources, other.sources),
            ("owner", self.owners, other.owners),
        ):
            common = sorted(mine & theirs)
            if common:
                return f"{what} {common[0][:60]}"
        return ""


def sources_result(chains: ChainReader, request: GateRequest, names: Sequence[str]) -> CheckResult:
    """Check that the sets are independent and older than the model.

    Args:
        chains: Reads verified statements.
        request: The model is its first subject.
        names: Which of the materials are validation sets.

    Raises:
        CheckError: Evidence about a set does not verify.
    """
    drill = request.order.drill
    sets = [item for item in request.materials if item.name in names]
    origins = [_origin(chains, item, drill=drill) for item in sets]
    trained = first(
        chains, str(request.subjects[0].digest), Query({Stage.TRAIN}, "admit", drill=drill)
    )
    made = None if trained is None else trained.index
    late = [item for item in origins if not _before(item, made)]
    facts: dict[str, bool | int | float | str] = {
        "sets": len(origins),
        "distinct": distinct(origins),
        "locked": bool(origins) and not late,
        "train_index": -1 if made is None else made,
    }
    for item in origins:
        facts[f"admitted_{item.name}"] = -1 if item.admitted is None else item.admitted
    findings = (*_findings(origins), *(_late(item, made) for item in late))
    return CheckResult(Coverage(len(sets), len(sets), unit="set"), findings, facts)


def distinct(origins: Sequence[Origin]) -> int:
    """Count groups of sets that share nothing with each other; unknown sources don't count.

    Sets that are joined through a third one count as one.
    """
    groups: list[list[Origin]] = []
    for item in (origin for origin in origins if not origin.fault):
        joined = [group for group in groups if any(item.shares(other) for other in group)]
        groups = [group for group in groups if group not in joined]
        groups.append([item, *(other for group in joined for other in group)])
    return len(groups)


def _origin(chains: ChainReader, item: Artifact, *, drill: bool) -> Origin:
    digest = str(item.digest)
    chain = chains.read([digest], drill=drill)
    if chain.broken:
        raise CheckError(
            "evidence about a validation set does not verify",
            where=f"set {item.name}, log {chain.broken[0].index}",
            cause=chain.broken[0].why,
            next_step="see `tidegate verify`",
            slug="broken-evidence",
        )
    admitted = first(chains, digest, Query({Stage.INGEST, Stage.PREPARE}, drill=drill))
    sources: set[str] = set()
    owners: set[str] = set()
    fault = "" if admitted else "no gate admitted it"
    for raw in chain.raw:
        link = _admission(chain, raw)
        said = {} if link is None else _said(link)
        if not said.get("source") or not said.get("owner"):
            missing = "source and owner" if not said else "a source or an owner"
            fault = fault or f"{raw[:19]} was admitted without {missing}"
            continue
        sources.add(said["source"])
        owners.add(said["owner"])
    index = None if admitted is None else admitted.index
    known = frozenset(chain.raw), frozenset(sources), frozenset(owners)
    return Origin(item.name, *known, index, fault)


def _admission(chain: Chain, digest: str) -> Link | None:
    links = (link for link in chain.about(digest) if link.stage is Stage.INGEST)
    return next((link for link in links if link.gate.outcome is Outcome.ALLOW), None)


def _said(link: Link) -> dict[str, str]:
    """Return source and owner, as they were signed with the artifact or the whole run."""
    hexes = link.digest.partition(":")[2]
    names = [s.name for s in link.verified.statement.subjects if s.digests.get("sha256") == hexes]
    places = [link.gate.annotations.get(name, {}) for name in names] + [link.gate.parameters]
    said: dict[str, str] = {}
    for place in places:
        for field in ("source", "owner"):
            value = place.get(field)
            if isinstance(value, str) and value and field not in said:
                said[field] = value
    return said


def _before(item: Origin, made: int | None) -> bool:
    return made is not None and item.admitted is not None and item.admitted < made


def _findings(origins: Sequence[Origin]) -> Iterator[Finding]:
    for item in origins:
        if item.fault:
            yield Finding(
                UNKNOWN_SOURCE.id,
                UNKNOWN_SOURCE.severity,
                f"the source of set {item.name} is not known: {item.fault}",
                Location(item.name),
            )
    for a, b in combinations(origins, 2):
        common = a.shares(b)
        if common:
            yield Finding(
                SAME_SOURCE.id,
                SAME_SOURCE.severity,
                f"sets {a.name} and {b.name} share the {common}",
                Location(a.name),
                {"sets": [a.name, b.name], "shared": common},
            )


def _late(item: Origin, made: int | None) -> Finding:
    when = "never" if item.admitted is None else f"at log {item.admitted}"
    model = "no training of it is in the log" if made is None else f"it was made at log {made}"
    return Finding(
        LATE_SET.id,
        LATE_SET.severity,
        f"set {item.name} was admitted {when}; of the model, {model}",
        Location(item.name),
        {"admitted": -1 if item.admitted is None else item.admitted,
         "trained": -1 if made is None else made},
    )  # fmt: skip
