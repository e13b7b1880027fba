"""What runs against what was registered: rogue, recalled, unreleased, outdated.

>>> known = Registry(stages={"credit/prod": ("sha256:" + "aa" * 32,)})
>>> found = compare((Running("Pod a", digest="sha256:" + "bb" * 32),), known)
>>> [finding.rule for finding in found]
['TG-MON-06/rogue']
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tidegate.admission.running import Running
from tidegate.core.finding import Finding, Location, Rule, Severity

RULES = (
    Rule(
        "TG-MON-06/rogue",
        "A model that runs, and that nobody registered",
        Severity.HIGH,
        "No gate looked at it, nobody answers for it, and no recall reaches it.",
        "Stop it; or admit and promote it, and deploy what was promoted.",
        atlas=("AML.T0010.003", "AML.T0074"),
        owasp=("LLM03:2025", "ML06:2023"),
    ),
    Rule(
        "TG-MON-06/recalled",
        "A model that runs, and is in quarantine or revoked",
        Severity.CRITICAL,
        "It, or what it was made from, was found to be harmful, and still answers.",
        "Stop it; roll the stage back: `tidegate registry rollback`.",
        atlas=("AML.T0010.003", "AML.T0018"),
        owasp=("LLM03:2025", "LLM04:2025"),
    ),
    Rule(
        "TG-MON-06/unreleased",
        "A model that runs, and was admitted and never promoted",
        Severity.HIGH,
        "A test version serves real users: nobody approved it.",
        "Stop it; or have it approved: `tidegate registry promote`.",
        atlas=("AML.T0010.003",),
        owasp=("LLM03:2025",),
    ),
    Rule(
        "TG-MON-06/outdated",
        "A model that runs, and that its stage no longer means",
        Severity.MEDIUM,
        "What was mended in the newer version is still broken here.",
        "Deploy what the stage means now; see `tidegate registry show`.",
        owasp=("LLM03:2025",),
    ),
    Rule(
        "TG-MON-06/other-digest",
        "A model that runs under a stage's name, and that the stage never meant",
        Severity.HIGH,
        "Somebody put other bytes where the promoted ones belong.",
        "Stop it, deploy what was promoted, and find out who swapped it.",
        atlas=("AML.T0010.003", "AML.T0058"),
        owasp=("LLM03:2025", "ML06:2023"),
    ),
    Rule(
        "TG-MON-06/unpinned",
        "A model that runs, known by its address alone",
        Severity.LOW,
        "Whoever can write to that address decides what runs.",
        "Pin its digest: in the URI, or in the annotation tidegate/digest.",
        atlas=("AML.T0010.003",),
        owasp=("LLM03:2025",),
    ),
)
_SEVERITY = {rule.id: rule.severity for rule in RULES}
_Names = Mapping[str, tuple[str, ...]]


def _none() -> Mapping[str, tuple[str, ...]]:
    return {}


@dataclass(frozen=True, slots=True)
class Registry:
    """What the ledger says, as of one head."""

    versions: _Names = field(default_factory=_none)
    """Versions by digest."""
    stages: _Names = field(default_factory=_none)
    """What each ``NAME/STAGE`` meant, by digest, oldest first; the last is what it means."""
    recalled: frozenset[str] = frozenset()
    """Digests in quarantine or revoked, and all made from them."""
    resources: Mapping[str, str] = field(default_factory=dict[str, str])
    """By the URI, or the digest in it, of each release: the digest of the model."""

    def meant(self, digest: str) -> tuple[str, ...]:
        """Return the stages that mean a digest, or meant it once."""
        return tuple(name for name, history in self.stages.items() if digest in history)


def compare(running: Sequence[Running], registry: Registry) -> tuple[Finding, ...]:
    """Return what is wrong with what runs; nothing about what is as it was promoted."""
    return tuple(finding for one in running for finding in _one(one, registry))


def _one(one: Running, registry: Registry) -> Iterator[Finding]:
    digest = registry.resources.get(one.digest, one.digest)
    if not digest:
        digest = registry.resources.get(one.uri, "")
        if digest:
            text = f"{one.uri} does not say which bytes it is; it was released as {digest[:19]}"
            yield _finding("unpinned", text, one, digest)
        else:
            yield _finding("rogue", f"nothing was released as {_called(one)}", one, "")
            return
    if digest in registry.recalled:
        text = f"{_known(digest, registry)} is in quarantine or revoked, or made from such"
        yield _finding("recalled", text, one, digest)
    elif digest not in registry.versions and not registry.meant(digest):
        yield _finding("rogue", f"{digest[:19]} was never admitted", one, digest)
    else:
        yield from _by_stage(one, digest, registry)


def _by_stage(one: Running, digest: str, registry: Registry) -> Iterator[Finding]:
    called = _known(digest, registry)
    if one.name:
        history = registry.stages.get(one.name, ())
        if history and history[-1] == digest:
            return
        if digest in history:
            now = _known(history[-1], registry)
            yield _finding("outdated", f"{one.name} means {now}, here is {called}", one, digest)
        else:
            yield _finding("other-digest", f"{one.name} never meant {called}", one, digest)
        return
    meant = registry.meant(digest)
    if not meant:
        yield _finding("unreleased", f"{called} was never promoted", one, digest)
    elif all(registry.stages[name][-1] != digest for name in meant):
        now = _known(registry.stages[meant[0]][-1], registry)
        yield _finding("outdated", f"{meant[0]} means {now}, here is {called}", one, digest)


def _known(digest: str, registry: Registry) -> str:
    return ", ".join(registry.versions.get(digest, ())) or digest[:19]


def _called(one: Running) -> str:
    return one.uri or one.name or "a model without digest and address"


def _finding(slug: str, text: str, one: Running, digest: str) -> Finding:
    rule = f"TG-MON-06/{slug}"
    told = {"uri": one.uri, "digest": digest, "name": one.name}
    evidence = {key: value for key, value in told.items() if value}
    return Finding(rule, _SEVERITY[rule], text, Location(one.where), evidence)
