"""What the validate gate itself can find; the detectors that it runs tell theirs."""

from tidegate.core.finding import Rule, Severity

UNKNOWN_SOURCE = Rule(
    "TG-VAL-01/unknown-source",
    "A validation set whose source the ledger does not know",
    Severity.HIGH,
    "Whoever wants a model to pass can hand in a set that it passes.",
    "Register the source and run `tidegate ingest admit` for the set's raw data.",
    atlas=("AML.T0020", "AML.T0059"),
    owasp=("LLM04:2025", "ML02:2023"),
)
SAME_SOURCE = Rule(
    "TG-VAL-01/same-source",
    "Two validation sets of one source or owner",
    Severity.HIGH,
    "One person who taints the source taints both sets, and nothing contradicts them.",
    "Take a validation set of another owner.",
    atlas=("AML.T0020", "AML.T0059"),
    owasp=("LLM04:2025", "ML02:2023"),
)
LATE_SET = Rule(
    "TG-VAL-01/late-set",
    "A validation set that was admitted after the model was made",
    Severity.HIGH,
    "Its rows may have been chosen by what the model gets right.",
    "Admit the set, then train, then validate.",
    atlas=("AML.T0020", "AML.T0059"),
    owasp=("LLM04:2025", "ML02:2023"),
)
SMALL_GROUP = Rule(
    "TG-VAL-02/small-group",
    "A subgroup with too few rows to be judged",
    Severity.INFO,
    "Nobody knows how well the model serves its members.",
    "Collect more rows of the group, or exclude it from the model's stated purpose.",
    atlas=("AML.T0031",),
    owasp=("LLM09:2025",),
)
RULES = (UNKNOWN_SOURCE, SAME_SOURCE, LATE_SET, SMALL_GROUP)
