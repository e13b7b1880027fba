"""The rule catalogue: the sum of the ``RULES`` of the modules named here.

Rules live beside the code that raises them, in modules that need no extra: ``tidegate explain``
tells about every rule in the light install, and imports no array library. The list is written out,
so that nothing is found by scanning; it says which controls a module serves, so that telling about
one control imports only what it needs. A test compares both with the tree.
"""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from types import MappingProxyType

from tidegate.core.finding import Rule

MODULES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "tidegate.admission.inventory": ("TG-MON-06",),
        "tidegate.detect.dependencies.rules": ("TG-REG-05",),
        "tidegate.detect.drift.rules": ("TG-MON-01",),
        "tidegate.detect.fairness.source_rules": ("TG-VAL-01",),
        "tidegate.detect.fairness.subgroup_rules": ("TG-VAL-02",),
        "tidegate.detect.images.rules": ("TG-REG-06",),
        "tidegate.detect.prompt.rules": ("TG-SRV-04", "TG-SRV-05"),
        "tidegate.detect.supply.rules": ("TG-REG-03",),
        "tidegate.detect.tabular.overlap_rules": ("TG-PRE-05",),
        "tidegate.detect.tabular.poison_rules": ("TG-ING-04",),
        "tidegate.detect.text.pii_rules": ("TG-ING-06",),
        "tidegate.gates.command.checks": ("TG-PRE-01", "TG-TRN-02"),
        "tidegate.gates.ingest.governance": ("TG-ING-01", "TG-ING-02", "TG-ING-06"),
        "tidegate.gates.monitor.rules": ("TG-MON-01",),
        "tidegate.gates.registry.gate": ("TG-REG-04",),
        "tidegate.gates.registry.origin": ("TG-REG-07",),
        "tidegate.gates.registry.shadow_rules": ("TG-REG-07",),
        "tidegate.gates.serve": ("TG-SRV-01",),
        "tidegate.gates.signature": ("TG-REG-01",),
        "tidegate.gates.validate.rules": ("TG-VAL-01", "TG-VAL-02"),
    }
)
"""Modules whose ``RULES`` make the catalogue, and the controls that their rules serve."""


def rules() -> Mapping[str, Rule]:
    """Return every rule by id, in order of id.

    Raises:
        ValueError: Two modules declare one id.
    """
    found: dict[str, Rule] = {}
    for module in MODULES:
        for rule in _declared(module):
            if rule.id in found:
                raise ValueError(f"rule {rule.id} is declared twice, again in {module}")
            found[rule.id] = rule
    return MappingProxyType(dict(sorted(found.items())))


def rules_of(control: str) -> tuple[Rule, ...]:
    """Return the rules that serve one control, in order of id."""
    serving = [module for module, controls in MODULES.items() if control in controls]
    found = [rule for module in serving for rule in _declared(module) if rule.control == control]
    return tuple(sorted(found, key=lambda rule: rule.id))


@cache
def _declared(module: str) -> tuple[Rule, ...]:
    return tuple(import_module(module).RULES)
