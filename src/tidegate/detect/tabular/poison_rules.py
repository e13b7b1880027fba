"""What the poisoning test can find, and how well it was measured to find it."""

from tidegate.core.finding import Detector, Measured, Rule, Severity

_ATLAS = ("AML.T0020", "AML.T0059")
_OWASP = ("LLM04:2025", "ML02:2023")

RULES: tuple[Rule, ...] = (
    Rule(
        "TG-ING-04/trigger",
        "Token or value whose rows carry unexpected labels",
        Severity.HIGH,
        "A model trained on the drop learns to answer with the attacker's label wherever the token "
        "or value appears: a backdoor.",
        "Look at the named rows with the people who own the source; admit the drop without them, "
        "or wait for a corrected one.",
        (*_ATLAS, "AML.T0043.004"),
        (*_OWASP, "ML10:2023"),
    ),
    Rule(
        "TG-ING-04/feed-shift",
        "Feed whose labels differ from what the others lead one to expect",
        Severity.HIGH,
        "One upstream feed moves the model: labels were flipped, or produced by another rule.",
        "Quarantine the feed, admit the others, and ask its owner how labels are made.",
        _ATLAS,
        _OWASP,
    ),
    Rule(
        "TG-ING-04/label-shift",
        "Drop whose labels differ as a whole from the admitted reference",
        Severity.HIGH,
        "Labels were flipped or noised evenly over the drop, or the meaning of the label changed.",
        "Compare a sample with the source's records; admit only if the change is explained.",
        _ATLAS,
        _OWASP,
    ),
    Rule(
        "TG-ING-04/novel-content",
        "Rows with never-seen values carry unexpected labels",
        Severity.MEDIUM,
        "Content that no admitted version has comes with labels of its own, as injected rows do.",
        "Look at a sample of these rows before admitting the drop.",
        _ATLAS,
        _OWASP,
    ),
)

DETECTOR = Detector(
    "poison",
    "1",
    Measured(
        recall="1.000 [0.963, 1.000]",
        false_positive_rate="0.020 [0.006, 0.070]",
        data="100 poisoned drops and 100 clean twins, known while the method was made "
        "(benchmarks/poisoning.py)",
        date="2026-11-22",
    ),
)

RULE_OF = {
    "token": RULES[0],
    "value": RULES[0],
    "feed": RULES[1],
    "score": RULES[2],
    "novel": RULES[3],
}
"""The rule of each kind of group."""
