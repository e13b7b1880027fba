"""The rule catalogue: the sum of the ``RULES`` of the modules named here.

Rules live beside the code that raises them. The list is written out, so that nothing is found
by scanning and a module that is not listed has no rules; a test compares it with the tree.
"""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from types import MappingProxyType

from tidegate.core.finding import Rule

MODULES: tuple[str, ...] = (
    "tidegate.detect.supply.rules",
    "tidegate.detect.tabular.poison",
)
"""Modules with a ``RULES`` tuple, each rule in exactly one of them."""


def rules() -> Mapping[str, Rule]:
    """Return every rule by id, in order of id.

    Raises:
        ValueError: Two modules declare one id.
    """
    return _catalogue()[0]


def unread_modules() -> tuple[str, ...]:
    """Return the listed modules whose rules can't be read, as an optional extra is missing."""
    return _catalogue()[1]


def rules_of(control: str) -> tuple[Rule, ...]:
    """Return the rules that serve one control."""
    return tuple(rule for rule in rules().values() if rule.control == control)


@cache
def _catalogue() -> tuple[Mapping[str, Rule], tuple[str, ...]]:
    found: dict[str, Rule] = {}
    unread: list[str] = []
    for name in MODULES:
        try:
            module = import_module(name)
        except ModuleNotFoundError as error:
            if (error.name or "").startswith("tidegate"):
                raise
            unread.append(name)
            continue
        for rule in module.RULES:
            if rule.id in found:
                raise ValueError(f"rule {rule.id} is declared twice, again in {name}")
            found[rule.id] = rule
    return MappingProxyType(dict(sorted(found.items()))), tuple(unread)
