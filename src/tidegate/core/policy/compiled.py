"""A bundle made ready to run: rules compiled once per bundle, gate and declarations.

>>> from tidegate.core.policy.load import bundled
>>> policy = compile_policy(bundled("default"), gate="registry/promote")
>>> policy is compile_policy(bundled("default"), gate="registry/promote")
True
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from tidegate.core.errors import PolicyError
from tidegate.core.policy.facts import Fact, FactSet, FactType, printable
from tidegate.core.policy.language import Binding, CelEngine, Engine, Environment, Program
from tidegate.core.policy.model import PolicyBundle, Rule
from tidegate.core.policy.result import FactState
from tidegate.core.policy.vocabulary import SEVERITIES, VOCABULARY, Variable, check_variables

_PLACE = re.compile(r"\{([a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)+)\}")
_SHOWN = 200
"""Characters of a value that a message shows."""


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A rule with its three expressions."""

    rule: Rule
    when: Program
    require: Program
    undecided_if: Program

    @property
    def reads(self) -> tuple[str, ...]:
        """The variables that decide whether it allows, in order of mention."""
        return tuple(dict.fromkeys(self.when.reads + self.require.reads))


@dataclass(frozen=True, slots=True)
class View:
    """Facts and constants as the rules of one policy see them."""

    facts: Mapping[str, Fact]
    binding: Binding
    types: Mapping[str, FactType]

    def fact(self, name: str) -> Fact:
        """Return a declared fact; one that nobody stated is missing.

        What a check that failed did not measure is not missing, it can't be read.
        """
        if fact := self.facts.get(name):
            return fact
        check = name.rpartition(".")[0]
        ran = self.facts.get(f"{check}.ran")
        if ran is not None and ran.value is False:
            return Fact.unreadable(name, self.types[name], source=f"{check} did not end")
        return Fact.missing(name, self.types[name])

    def fill(self, template: str) -> str:
        """Replace ``{fact.name}`` by values; nothing else in the template has a meaning."""

        def shown(place: re.Match[str]) -> str:
            fact = self.fact(place[1])
            if fact.value is None:
                return f"({fact.state.value})"
            value = printable(fact.value) if isinstance(fact.value, str) else fact.use.value
            return value if len(value) <= _SHOWN else f"{value[:_SHOWN]}…"

        return _PLACE.sub(shown, template)


@dataclass(frozen=True, slots=True)
class CompiledPolicy:
    """The rules of a bundle that stand at a gate, ready to run."""

    rules: tuple[CompiledRule, ...]
    variables: Mapping[str, Variable]
    """Every fact that the rules could name."""
    constants: Mapping[str, Fact]
    """Limits and severities."""
    environment: Environment
    types: Mapping[str, FactType]

    def view(self, facts: FactSet) -> View:
        """Bind facts; one whose type is not the declared one can't be read."""
        seen = dict(self.constants)
        for fact in facts.values():
            type_ = self.variables[fact.name].type if fact.name in self.variables else None
            if type_ is fact.type or (type_ and fact.state is not FactState.PRESENT):
                seen[fact.name] = fact
            elif type_:
                source = f"{fact.source} (a {fact.type.value}, not a {type_.value})"
                seen[fact.name] = Fact.unreadable(fact.name, type_, source=source)
        values = {name: fact.value for name, fact in seen.items() if fact.value is not None}
        return View(seen, self.environment.bind(values), self.types)


def compile_policy(
    bundle: PolicyBundle,
    *,
    gate: str | None = None,
    extra: Mapping[str, FactType] | None = None,
    engine: Engine | None = None,
) -> CompiledPolicy:
    """Compile a bundle's rules, or find them compiled.

    Args:
        bundle: The bundle.
        gate: ``stage/action``: compile the rules of that gate only; ``None`` means all.
        extra: Facts that the gate declares beyond the vocabulary and the bundle.
        engine: The rule language; CEL unless another is given.

    Raises:
        PolicyError: A rule does not compile, a message names an unknown fact, or the gate and
            the bundle declare a fact with two types. ``where`` names the file and the rule.
    """
    return _compile(bundle, gate, tuple(sorted((extra or {}).items())), engine or CelEngine())


@lru_cache(maxsize=128)
def _compile(
    bundle: PolicyBundle,
    gate: str | None,
    extra: tuple[tuple[str, FactType], ...],
    engine: Engine,
) -> CompiledPolicy:
    variables = _variables(bundle, extra)
    source = f"policy {bundle.name}@{bundle.version}"
    limits = {f"limit.{name}": value for name, value in bundle.limits.items()}
    constants = {
        name: Fact.of(name, value, source=source)
        for name, value in {**SEVERITIES, **limits}.items()
    }
    types = {name: variable.type for name, variable in variables.items()}
    types |= {name: constant.type for name, constant in constants.items()}
    environment = engine.environment(types)
    rules = tuple(
        _compile_rule(rule, environment, types, f"{bundle.origin}, rule {rule.id}")
        for rule in bundle.rules
        if gate is None or rule.applies_to(gate)
    )
    return CompiledPolicy(rules, variables, constants, environment, types)


def _variables(
    bundle: PolicyBundle, extra: tuple[tuple[str, FactType], ...]
) -> dict[str, Variable]:
    checks = (each for check in bundle.checks for each in check_variables(check))
    variables = {**VOCABULARY, **{each.name: each for each in checks}}
    for name, type_ in (*bundle.facts.items(), *extra):
        known = variables.setdefault(name, Variable(name, type_, "a measurement of a check"))
        if known.type is not type_:
            raise PolicyError(
                f"{name} is a {known.type.value} in the policy and a {type_.value} at the gate",
                where=bundle.origin,
                next_step="declare it with the gate's type under [facts]",
                slug="fact-type",
            )
    return variables


def _compile_rule(
    rule: Rule, environment: Environment, types: Mapping[str, FactType], where: str
) -> CompiledRule:
    for place in _PLACE.finditer(rule.message + rule.fix):
        if place[1] not in types:
            problem = f"the message names {place[1]!r}, which is no fact"
            raise PolicyError(problem, where=where, slug="unknown-fact")

    def program(key: str) -> Program:
        try:
            return environment.compile(getattr(rule, key))
        except PolicyError as error:
            error.where = f"{where}, {key}"
            raise

    return CompiledRule(rule, program("when"), program("require"), program("undecided_if"))
