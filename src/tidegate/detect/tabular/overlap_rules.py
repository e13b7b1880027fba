"""What the comparison of two sets can find."""

from tidegate.core.finding import Detector, Rule, Severity

EXACT = Rule(
    "TG-PRE-05/exact-overlap",
    "Validation rows that are in the training set",
    Severity.HIGH,
    "The model is judged on rows that it learned by heart: the score says nothing, and a weak "
    "or sabotaged model passes.",
    "Remove the rows from one of the sets and split again by digest, before training.",
    ("AML.T0020", "AML.T0059"),
    ("LLM04:2025", "ML02:2023"),
)
NEAR = Rule(
    "TG-PRE-05/near-overlap",
    "Validation rows that are nearly in the training set",
    Severity.MEDIUM,
    "Near duplicates leak the answers as exact ones do.",
    "Group near duplicates before splitting, so that a group lands on one side.",
    ("AML.T0020", "AML.T0059"),
    ("LLM04:2025", "ML02:2023"),
)
REPEATED = Rule(
    "TG-PRE-05/duplicates",
    "Rows that repeat within one set",
    Severity.LOW,
    "Repeated rows weigh more than others; a flood of copies is one way to poison.",
    "Check why rows repeat; drop copies if they are no observations of their own.",
    ("AML.T0020",),
    ("LLM04:2025", "ML02:2023"),
)
RULES = (EXACT, NEAR, REPEATED)

DETECTOR = Detector("overlap", "1")
