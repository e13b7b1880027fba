"""What the monitor gate itself can find; what the drift test finds is told beside it."""

from tidegate.core.finding import Rule, Severity

OTHER_REFERENCE = Rule(
    "TG-MON-01/other-reference",
    "A profile that was not frozen when the model was promoted",
    Severity.HIGH,
    "A reference that was made from drifted or poisoned traffic calls it normal.",
    "Use the profile of the promoted version; to change it, promote again.",
    atlas=("AML.T0031", "AML.T0015"),
    owasp=("LLM09:2025", "ML08:2023"),
)
RULES = (OTHER_REFERENCE,)
