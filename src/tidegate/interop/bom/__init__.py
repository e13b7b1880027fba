"""Bills of materials as values: read from any maker, written in two standards, compared, merged.

>>> from tidegate.core.clock import Micros
>>> from tidegate.core.digest import Digest
>>> bom = Bom(ModelPart("credit", "3", (Digest("sha256", "0" * 64),)), made_at=Micros(0))
>>> read_bom(write_bom(bom, Spec.SPDX_3)).losses
()
"""

from tidegate.interop.bom.diff import Change, diff
from tidegate.interop.bom.document import (
    Reading,
    Spec,
    document_of,
    read_bom,
    write_bom,
    write_losses,
)
from tidegate.interop.bom.merge import merge, merge_assessments
from tidegate.interop.bom.model import (
    ADAPTER,
    BASE,
    Assessment,
    Attestation,
    Bom,
    CodePart,
    Considerations,
    DataPart,
    ImagePart,
    Justification,
    Metric,
    ModelPart,
    Package,
    SourceModel,
    State,
    Step,
)
from tidegate.interop.bom.reading import Loss
from tidegate.interop.bom.score import FIELDS, Score, score
from tidegate.interop.bom.validate import Problem, Validation, validate_bom

__all__ = [
    "ADAPTER",
    "BASE",
    "FIELDS",
    "Assessment",
    "Attestation",
    "Bom",
    "Change",
    "CodePart",
    "Considerations",
    "DataPart",
    "ImagePart",
    "Justification",
    "Loss",
    "Metric",
    "ModelPart",
    "Package",
    "Problem",
    "Reading",
    "Score",
    "SourceModel",
    "Spec",
    "State",
    "Step",
    "Validation",
    "diff",
    "document_of",
    "merge",
    "merge_assessments",
    "read_bom",
    "score",
    "validate_bom",
    "write_bom",
    "write_losses",
]
