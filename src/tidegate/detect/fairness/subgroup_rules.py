"""What the metrics by subgroup can find."""

from tidegate.core.finding import Detector, Rule, Severity

RULES: tuple[Rule, ...] = (
    Rule(
        "TG-VAL-02/opportunity-gap",
        "True-positive rates that differ between subgroups",
        Severity.HIGH,
        "Members of one group who deserve the good outcome get it less often: harm, and often "
        "unlawful.",
        "Look at the data and labels of the named group; retrain, or lower the claim in the "
        "model's documentation.",
        ("AML.T0031", "AML.T0048.002"),
        ("LLM09:2025", "ML08:2023"),
    ),
    Rule(
        "TG-VAL-02/parity-gap",
        "Selection rates that differ between subgroups",
        Severity.MEDIUM,
        "The model selects one group more often than another.",
        "Justify the difference by the task, or change the threshold or the data.",
        ("AML.T0031", "AML.T0048.002"),
        ("LLM09:2025", "ML08:2023"),
    ),
    Rule(
        "TG-VAL-02/worst-group",
        "A subgroup below the accuracy floor",
        Severity.HIGH,
        "The overall figure hides a group for which the model fails.",
        "Collect data for the group, or exclude it from the model's stated purpose.",
        ("AML.T0031", "AML.T0048.002"),
        ("LLM09:2025", "ML08:2023"),
    ),
)

DETECTOR = Detector("subgroups", "1")
