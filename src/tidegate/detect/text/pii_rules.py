"""What the search for sensitive data can find, and how well it was measured to find it."""

from tidegate.core.finding import Detector, Measured, Rule, Severity

_ATLAS = ("AML.T0036", "AML.T0057")
_OWASP = ("LLM02:2025", "ML03:2023")
_KEEP_OUT = "Drop, mask or tokenise it before admission, or label the data and admit it on purpose."


def _rule(slug: str, title: str, severity: Severity, risk: str, fix: str = _KEEP_OUT) -> Rule:
    return Rule(f"TG-ING-06/{slug}", title, severity, risk, fix, _ATLAS, _OWASP)


RULES: tuple[Rule, ...] = (
    _rule(
        "secret",
        "Credential in data",
        Severity.CRITICAL,
        "Whoever reads the data, or a model that learned it, can use the credential.",
        "Revoke the credential now; then remove it from the source and deliver again.",
    ),
    _rule("card-number", "Payment card numbers", Severity.HIGH,
          "Card numbers bring the whole pipeline into PCI scope and can be extracted from models."),
    _rule("bank-account", "Bank account numbers", Severity.HIGH,
          "Account numbers identify people and can be extracted from a trained model."),
    _rule("national-id", "National identity or tax numbers", Severity.HIGH,
          "Identity numbers allow fraud, and can't be changed by those whom they belong to."),
    _rule("email", "E-mail addresses", Severity.MEDIUM,
          "Addresses identify people and can be extracted from a trained model."),
    _rule("phone", "Telephone numbers", Severity.MEDIUM,
          "Numbers identify people and can be extracted from a trained model."),
    _rule("ip-address", "Public network addresses", Severity.LOW,
          "Addresses can identify people and reveal infrastructure."),
    _rule("declared-personal", "Column that its header declares personal", Severity.MEDIUM,
          "Names, addresses or birth dates identify people."),
)  # fmt: skip

DETECTOR = Detector(
    "pii",
    "1",
    Measured(
        recall="1.000 [0.893, 1.000] of columns, 0.952 [0.905, 0.977] of values in texts",
        false_positive_rate="0.000 [0.000, 0.114] of harmless columns",
        data="odd half of 164 labelled columns and 1,500 texts (benchmarks/pii.py)",
        date="2026-11-22",
    ),
)

RULE_OF = {rule.id.partition("/")[2]: rule for rule in RULES}
"""The rule of each kind, by the end of its id."""
