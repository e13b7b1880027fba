"""What the drift test can find, and how well it was measured to find it."""

from tidegate.core.finding import Detector, Measured, Rule, Severity

RULES: tuple[Rule, ...] = (
    Rule(
        "TG-MON-01/drift",
        "Live data that left the reference",
        Severity.HIGH,
        "The model answers questions that it was not validated for; or somebody steers its inputs.",
        "Look at the named columns; if the change is real, validate the model on the new data "
        "before retraining; if not, find out who sends it.",
        ("AML.T0031", "AML.T0015"),
        ("LLM09:2025", "ML08:2023"),
    ),
    Rule(
        "TG-MON-01/effect",
        "Column whose distance from the reference is over its limit",
        Severity.MEDIUM,
        "A feature is distributed otherwise than when the model was validated.",
        "Compare with the calendar (same weekday, same season) and with upstream changes.",
        ("AML.T0031",),
        ("LLM09:2025", "ML08:2023"),
    ),
)

DETECTOR = Detector(
    "drift",
    "1",
    Measured(
        recall="5 of 5 shifts of 0.1 sd within 75 windows, median delay 11; of 0.3 sd, delay 3",
        false_positive_rate="0.000 [0.000, 0.161] of runs of 150 windows",
        data="20 normal columns, windows of 1,000 rows (benchmarks/drift.py)",
        date="2026-11-22",
    ),
)
