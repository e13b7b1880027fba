"""The ingest gate: governance, sensitive values, poisoning.

::

    decision = workspace.run(IngestGate(duties, table, "internal", comparison), order)
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tidegate.core.stage import Stage
from tidegate.gates.contract import Check, GateRequest
from tidegate.gates.ingest.governance import DETECTOR, Duties
from tidegate.gates.ingest.poisoning import Comparison, folder_check, poison_check
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
    tables: Mapping[str, tuple[TableFile, Comparison]] = field(
        default_factory=dict[str, tuple[TableFile, Comparison]]
    )
    """The tables of a folder, by their paths in it."""

    @property
    def stage(self) -> Stage:
        """Ingest."""
        return Stage.INGEST

    def checks(self, request: GateRequest) -> Sequence[Check]:
        """Return the checks; only tables can be tested for poisoned labels."""
        name = request.subjects[0].name
        checks = [
            Check("governance", "TG-ING-02", DETECTOR, lambda: self.duties().result(name)),
            pii_check(self.data, label=self.label, name=name),
        ]
        if isinstance(self.data, TableFile):
            checks.append(poison_check(self.data, self.comparison, name=name))
        elif self.tables:
            checks.append(folder_check(self.tables))
        return checks
