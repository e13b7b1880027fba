"""The ingest gate: governance, sensitive values, poisoning.

::

    decision = workspace.run(IngestGate(duties, table, "internal", comparison), order)
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tidegate.core.stage import Stage
from tidegate.gates.contract import Check, GateRequest
from tidegate.gates.ingest.governance import DETECTOR, Duties
from tidegate.gates.ingest.poisoning import Comparison, poison_check
from tidegate.gates.ingest.privacy import pii_check
from tidegate.tables.load import TableFile


@dataclass(frozen=True, slots=True)
class IngestGate:
    """The checks of ``ingest admit`` over one table or other data."""

    duties: Callable[[], Duties]
    """Asked while the gate runs, so that an approval just given counts."""
    data: TableFile | Path
    label: str
    comparison: Comparison

    @property
    def stage(self) -> Stage:
        """Ingest."""
        return Stage.INGEST

    def checks(self, request: GateRequest) -> Sequence[Check]:
        """Return the checks; only a table can be tested for poisoned labels."""
        name = request.subjects[0].name
        checks = [
            Check("governance", "TG-ING-02", DETECTOR, lambda: self.duties().result(name)),
            pii_check(self.data, label=self.label, name=name),
        ]
        if isinstance(self.data, TableFile):
            checks.append(poison_check(self.data, self.comparison, name=name))
        return checks
