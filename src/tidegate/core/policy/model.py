"""The policy bundle: named rules, limits and tests under one digest.

>>> bundle = PolicyBundle("tiny", "1", rules=(Rule("a.b", "TG-REG-01", "*", "signature.present"),))
>>> bundle.label.partition(" ")[0], len(bundle.digest.hex)
('tiny@1', 64)
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType

from tidegate.core.canonical import Json, dumps
from tidegate.core.digest import Digest, sha256
from tidegate.core.finding import Severity
from tidegate.core.policy.facts import FactSet, FactType, FactValue, value_to_json
from tidegate.core.policy.result import Mode
from tidegate.core.stage import Outcome

SCHEMA = "policy-bundle/v1"
FAMILIES = ("admission", "signing", "registry", "red-team")
"""Every bundle speaks for these four (control TG-GOV-01)."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One requirement at a gate."""

    id: str
    """Unique in the bundle: ``registry.full-chain``."""
    control: str
    """The control that it enforces: ``TG-REG-02``."""
    gate: str
    """``registry``, ``registry/promote``, or ``*`` for every gate."""
    require: str
    """CEL: what must hold."""
    when: str = "true"
    """CEL: whether the rule applies."""
    undecided_if: str = "false"
    """CEL: when this holds, a requirement that does not hold is undecided, not denied."""
    message: str = ""
    """Why it denies; ``{fact.name}`` is replaced by the fact's value."""
    fix: str = ""
    """How to get to allow; ``{fact.name}`` is replaced here, too."""
    severity: Severity = Severity.HIGH
    mode: Mode = Mode.ENFORCE
    family: str = ""
    """The family that it belongs to, if any."""
    waivable: bool = True
    """Whether a waiver can turn its denial into an allow."""

    def applies_to(self, gate: str) -> bool:
        """Return whether the rule stands at ``stage/action``."""
        return self.gate in ("*", gate, gate.partition("/")[0])

    def to_json(self) -> dict[str, Json]:
        """Return all fields."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return {**values, "severity": self.severity.label, "mode": self.mode.value}


@dataclass(frozen=True, slots=True)
class PolicyTest:
    """What a bundle promises about itself: these facts at this gate give this outcome."""

    name: str
    gate: str
    facts: FactSet
    expect: Outcome
    rules: tuple[str, ...] = ()
    """Exactly the enforced rules that do not allow."""

    def to_json(self) -> dict[str, Json]:
        """Return the resolved form: facts by name, unreadable ones listed apart."""
        stated = self.facts.values()
        present = {fact.name: fact.value for fact in stated if fact.value is not None}
        return {
            "name": self.name,
            "gate": self.gate,
            "facts": {name: value_to_json(value) for name, value in present.items()},
            "unreadable": [name for name in sorted(self.facts) if name not in present],
            "expect": self.expect.value,
            "rules": list(self.rules),
        }


@dataclass(frozen=True, slots=True, eq=False)
class PolicyBundle:
    """A version of a policy. Two bundles are equal when their digests are."""

    name: str
    version: str
    rules: tuple[Rule, ...]
    tests: tuple[PolicyTest, ...] = ()
    limits: Mapping[str, FactValue] = field(default_factory=dict[str, FactValue])
    """Thresholds; rules read them as ``limit.<name>``."""
    facts: Mapping[str, FactType] = field(default_factory=dict[str, FactType])
    """Measurements that the rules expect beyond the vocabulary: ``check.<id>.<name>``."""
    checks: tuple[str, ...] = ()
    """Checks that the rules speak of; each states ran, outcome, findings, highest."""
    origin: str = "a policy bundle"
    """File that it was read from; not part of the bundle."""
    digest: Digest = field(init=False)
    """SHA-256 of the canonical JSON."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "limits", MappingProxyType(dict(self.limits)))
        object.__setattr__(self, "facts", MappingProxyType(dict(self.facts)))
        object.__setattr__(self, "digest", sha256(dumps(self.to_json())))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PolicyBundle) and other.digest == self.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    @property
    def label(self) -> str:
        """``name@version sha256:…``, as decisions name the bundle."""
        return f"{self.name}@{self.version} {self.digest}"

    @property
    def families(self) -> Mapping[str, tuple[str, ...]]:
        """The ids of the rules of each family."""
        names = dict.fromkeys(rule.family for rule in self.rules if rule.family)
        return {
            name: tuple(rule.id for rule in self.rules if rule.family == name) for name in names
        }

    def to_json(self) -> dict[str, Json]:
        """Return the form that is signed; canonical-JSON safe."""
        return {
            "schema": SCHEMA,
            "name": self.name,
            "version": self.version,
            "limits": {name: value_to_json(value) for name, value in self.limits.items()},
            "facts": {name: type_.value for name, type_ in self.facts.items()},
            "checks": list(self.checks),
            "rule": [rule.to_json() for rule in self.rules],
            "test": [test.to_json() for test in self.tests],
        }
