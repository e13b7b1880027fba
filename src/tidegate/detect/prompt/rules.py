"""What the prompt check can find, as pages; the patterns stand in ``patterns``."""

from tidegate.core.finding import Rule, Severity

_USER, _DOCUMENT = "TG-SRV-04", "TG-SRV-05"
_DIRECT = ("AML.T0051.000", "AML.T0054")
_INDIRECT = ("AML.T0051.001",)
_INJECTION = ("LLM01:2025",)
_FIX_USER = (
    "Refuse the request. If it was harmless, waive the rule for that route with its example."
)
_FIX_DOCUMENT = "Keep the document out of the context, and its source out of the index."


def _user(
    slug: str, title: str, severity: Severity, risk: str, atlas: tuple[str, ...] = _DIRECT
) -> Rule:
    return Rule(f"{_USER}/{slug}", title, severity, risk, _FIX_USER, atlas, _INJECTION)


def _document(
    slug: str, title: str, severity: Severity, risk: str, atlas: tuple[str, ...] = _INDIRECT
) -> Rule:
    return Rule(f"{_DOCUMENT}/{slug}", title, severity, risk, _FIX_DOCUMENT, atlas, _INJECTION)


RULES: tuple[Rule, ...] = (
    _user("instruction-override", "Request to drop the instructions", Severity.HIGH,
          "The model forgets the rules of its owner and follows the caller's."),
    _user("prompt-extraction", "Request for the system prompt", Severity.HIGH,
          "The owner's instructions, and secrets in them, become known.",
          ("AML.T0056", "AML.T0069.001")),
    _user("role-impersonation", "Claim to speak for the system or its maker", Severity.HIGH,
          "The model obeys a rank that the caller does not have."),
    _user("unbound-persona", "Persona that has no rules", Severity.HIGH,
          "The model plays a character that does what the model would refuse."),
    _user("forged-delimiter", "Forged chat markup", Severity.HIGH,
          "Text of the caller is taken for a turn of the system."),
    _user("hidden-text", "Text that no reader sees", Severity.HIGH,
          "Instructions travel in characters that are invisible on a screen.", ("AML.T0068",)),
    _user("disguised-attack", "Attack inside an encoding", Severity.HIGH,
          "The attack is spelt so that filters read over it.", ("AML.T0068",)),
    _user("data-exfiltration", "Link that carries data away", Severity.HIGH,
          "An image or link that the model writes sends the conversation to a stranger.",
          ("AML.T0057", "AML.T0077")),
    _user("likely-attack", "Text that reads like an attack", Severity.HIGH,
          "Its wording is that of known attacks, as the learnt head judges."),
    _user("unseen-marks", "Invisible characters inside words", Severity.LOW,
          "They break words apart for filters; harmless on their own.", ("AML.T0068",)),
    _document("instruction-override", "Order to drop the instructions", Severity.CRITICAL,
              "A document tells the model to forget whom it works for."),
    _document("prompt-extraction", "Order to reveal the system prompt", Severity.HIGH,
              "A document makes the model disclose its owner's instructions.", ("AML.T0056",)),
    _document("role-impersonation", "Document that speaks as the system", Severity.HIGH,
              "A document claims a rank that no document has."),
    _document("unbound-persona", "Document that gives the model a persona", Severity.HIGH,
              "A document turns the model into a character without rules."),
    _document("forged-delimiter", "Forged chat markup in a document", Severity.CRITICAL,
              "The document ends its own quotation and opens a turn of the system."),
    _document("addressed-model", "Document that speaks to the model", Severity.HIGH,
              "A text that is data talks to the assistant and tells it what to do."),
    _document("concealment", "Order to hide something from the user", Severity.HIGH,
              "The model deceives the person it works for."),
    _document("tool-instruction", "Order to use a tool", Severity.HIGH,
              "A document makes the agent send, pay, delete or fetch.",
              ("AML.T0051.001", "AML.T0053", "AML.T0086")),
    _document("data-exfiltration", "Link or address that carries data away", Severity.CRITICAL,
              "A document makes the model put data into a link, or send it somewhere.",
              ("AML.T0057", "AML.T0077", "AML.T0086")),
    _document("hidden-text", "Text that no reader sees", Severity.CRITICAL,
              "Instructions travel in characters or markup that are invisible on a page.",
              ("AML.T0068",)),
    _document("disguised-attack", "Attack inside an encoding", Severity.HIGH,
              "The attack is spelt so that reviewers and filters read over it.", ("AML.T0068",)),
    _document("likely-attack", "Text that reads like an instruction to a model", Severity.HIGH,
              "Its wording is that of known injections, as the learnt head judges."),
    _document("unseen-marks", "Invisible characters inside words", Severity.LOW,
              "They break words apart for filters; harmless on their own.", ("AML.T0068",)),
)  # fmt: skip
"""Every rule of the family, user rules first."""

BY_ID = {rule.id: rule for rule in RULES}
