"""What the comparison of two sources can find, and how well it was measured to find it."""

from tidegate.core.finding import Detector, Measured, Rule, Severity

RULES: tuple[Rule, ...] = (
    Rule(
        "TG-VAL-01/slice-error",
        "Slice on which two validation sources disagree",
        Severity.HIGH,
        "One of the sources was tainted to hide that the model fails this slice, or the sources "
        "are not about the same world.",
        "Have the owners of both sources relabel a sample of the slice; release only when the "
        "difference is explained.",
        ("AML.T0020", "AML.T0059", "AML.T0015"),
        ("LLM04:2025", "ML02:2023", "ML08:2023"),
    ),
    Rule(
        "TG-VAL-01/slice-mass",
        "Slice that one validation source lacks",
        Severity.MEDIUM,
        "Rows of a subgroup were dropped from one source, so that its failures do not count.",
        "Ask the owner of the smaller source for the missing rows.",
        ("AML.T0020", "AML.T0059"),
        ("LLM04:2025", "ML02:2023", "ML08:2023"),
    ),
)

DETECTOR = Detector(
    "sources",
    "1",
    Measured(
        recall="1.000 [0.839, 1.000]",
        false_positive_rate="0.000 [0.000, 0.278]",
        data="Adult census, failures of one subgroup dropped or relabelled in one source, 10 seeds "
        "each",
        date="2026-11-22",
    ),
)
