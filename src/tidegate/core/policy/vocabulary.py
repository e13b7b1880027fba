"""The vocabulary: which facts exist, of which type, and what each means.

A rule that names a fact outside it does not compile, so a misspelt fact is found when the policy
is loaded and not when it should have denied.

>>> VOCABULARY["train.age_s"].type.value
'int'
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from tidegate.core.finding import Severity
from tidegate.core.policy.facts import FactType, FactValue
from tidegate.core.stage import Stage

_B, _I, _S, _L = FactType.BOOL, FactType.INT, FactType.STRING, FactType.STRINGS


@dataclass(frozen=True, slots=True)
class Variable:
    """A fact that rules may name."""

    name: str
    type: FactType
    meaning: str
    """One line, for people."""
    fixed: bool = False
    """It says what was asked and about what, so *why not* never proposes to change it."""


_REQUEST = (
    Variable("request.stage", _S, "the gate's stage", fixed=True),
    Variable("request.action", _S, "what is asked of the gate", fixed=True),
    Variable("request.environment", _S, "the deployment environment", fixed=True),
    Variable("request.drill", _B, "whether this is a drill", fixed=True),
    Variable("request.actor", _S, "the principal who asks"),
    Variable("request.roles", _L, "that principal's roles"),
    Variable("request.distinct_principals", _I, "principals with a valid key in the workspace"),
)

_SUBJECT = (
    Variable("subject.kind", _S, "the kind of artifact", fixed=True),
    Variable("subject.name", _S, "the name that people call it by", fixed=True),
    Variable("subject.digests", _L, "the digests of all subjects", fixed=True),
    Variable("subject.producer", _S, "the principal who made it", fixed=True),
    Variable("subject.label", _S, "its sensitivity label"),
    Variable("subject.source", _S, "the registered source that it came from"),
    Variable("subject.quarantined", _B, "a quarantine of it is in force"),
    Variable("subject.tainted", _B, "something that it is made from is quarantined or revoked"),
    Variable("subject.revoked", _B, "it was revoked"),
)

_EVIDENCE = (
    Variable("chain.unattested", _I, "upstream artifacts without an allowing attestation"),
    Variable("chain.quarantined", _I, "upstream artifacts in quarantine"),
    Variable("chain.revoked", _I, "upstream artifacts, or attestations, that were revoked"),
    Variable("chain.erased", _I, "upstream evidence that was erased"),
    Variable("chain.broken", _I, "upstream signatures, proofs or digests that do not match"),
    Variable("chain.complete", _B, "every path reaches an admitted raw source"),
    Variable("approvals.count", _I, "distinct principals, not the producer, who approved"),
    Variable("approvals.names", _L, "who approved"),
    Variable("coverage.planned", _I, "units that all checks meant to examine"),
    Variable("coverage.examined", _I, "units that were examined"),
    Variable("coverage.skipped", _I, "units that were skipped"),
    Variable("coverage.failed", _I, "units that could not be examined"),
    Variable("coverage.complete", _B, "something was examined, and nothing planned is missing"),
)

_STAGE = (
    ("present", _B, "an attestation of {} covers it (always stated)"),
    ("outcome", _S, "worst outcome over the newest attestations of {}"),
    ("action", _S, "action of the newest attestation of {}"),
    ("signer", _S, "principal who signed the newest attestation of {}"),
    ("role", _S, "role under which {} was signed"),
    ("age_s", _I, "seconds since the oldest attestation of {} that counts, by log time"),
    ("index", _I, "log index of the newest attestation of {}"),
    ("count", _I, "attestations of {} in the chain"),
)

_CHECK = (
    ("ran", _B, "the check ran to its end"),
    ("outcome", _S, "allow, deny (it has findings) or undecided"),
    ("findings", _I, "how many findings it has"),
    ("highest", _I, "severity of its worst finding (compare with severity.high); -1 without any"),
)


def stage_variables(stage: Stage) -> tuple[Variable, ...]:
    """Return what is known of the attestations of a stage."""
    return tuple(
        Variable(f"{stage.value}.{part}", type_, meaning.format(stage.value))
        for part, type_, meaning in _STAGE
    )


def check_variables(check: str) -> tuple[Variable, ...]:
    """Return the four facts that every check states; its measurements come on top."""
    return tuple(
        Variable(f"check.{check}.{part}", type_, f"{check}: {meaning}")
        for part, type_, meaning in _CHECK
    )


def _vocabulary() -> Mapping[str, Variable]:
    stages = (variable for stage in Stage for variable in stage_variables(stage))
    return MappingProxyType(
        {variable.name: variable for variable in (*_REQUEST, *_SUBJECT, *stages, *_EVIDENCE)}
    )


VOCABULARY: Mapping[str, Variable] = _vocabulary()
"""Facts that every gate may state, by name."""

SEVERITIES: Mapping[str, FactValue] = MappingProxyType(
    {f"severity.{severity.label}": int(severity) for severity in Severity}
)
"""Constants for comparing ``check.<id>.highest``: ``severity.info`` … ``severity.critical``."""
