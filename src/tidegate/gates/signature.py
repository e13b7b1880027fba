"""The signature check that registry and serve share: OpenSSF Model Signing over every file.

It fails closed: no bundle, an unknown key, a file more or less, and the facts say so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tidegate.core.errors import TidegateError, TrustError
from tidegate.core.finding import Coverage, Detector, Finding, Location, Rule, Severity
from tidegate.core.identity.keys import PublicKey, Scheme
from tidegate.core.identity.roles import Role
from tidegate.core.identity.trust import Purpose, TrustRoot
from tidegate.gates.contract import Check, CheckResult
from tidegate.interop.bundle import Bundle
from tidegate.interop.oms import verify_model

RULES = (
    Rule(
        "TG-REG-01/unsigned",
        "A model without a signature",
        Severity.CRITICAL,
        "Whoever can write to the store can replace the model, and nobody would see it.",
        "Run `tidegate registry admit`, which signs it.",
        atlas=("AML.T0010.003", "AML.T0058"),
        owasp=("LLM03:2025", "ML06:2023"),
    ),
    Rule(
        "TG-REG-01/bad-signature",
        "A signature that does not cover the files that are there",
        Severity.CRITICAL,
        "The model was changed after it was signed, or somebody unknown signed it.",
        "Get the model again from where it was admitted, and find out who changed it.",
        atlas=("AML.T0010.003", "AML.T0058"),
        owasp=("LLM03:2025", "ML06:2023"),
    ),
)
_DETECTOR = Detector("model-signature", "1")
MAX_BUNDLE = 16 << 20


@dataclass(frozen=True, slots=True)
class SignedModel:
    """A model on disk and the bundle that should cover it."""

    path: Path
    bundle: Path | None


def signature_check(model: SignedModel, trust: TrustRoot) -> Check:
    """Check that a trusted releaser's signature covers every file of a model.

    Args:
        model: What, and its signature.
        trust: Whose keys count: the caller leaves out those that had ended or were revoked.
    """
    return Check("signature", "TG-REG-01", _DETECTOR, lambda: _verify(model, trust))


def model_keys(trust: TrustRoot) -> Sequence[PublicKey]:
    """Return the ECDSA keys of releasers: those that may sign models."""
    return [
        trusted.key
        for trusted in trust.keys_for(Purpose.ATTEST)
        if Role.RELEASER in trusted.roles and trusted.key.scheme is not Scheme.ED25519
    ]


def _verify(model: SignedModel, trust: TrustRoot) -> CheckResult:
    if model.bundle is None or not model.bundle.is_file():
        return _result(model, Finding(
            "TG-REG-01/unsigned",
            Severity.CRITICAL,
            "there is no signature",
            Location(str(model.bundle or model.path.name)),
        ), present=False)  # fmt: skip
    try:
        bundle = Bundle.parse(model.bundle.read_bytes()[: MAX_BUNDLE + 1])
        files = _verified_files(model.path, bundle, model_keys(trust))
    except TidegateError as error:
        return _result(model, Finding(
            "TG-REG-01/bad-signature",
            Severity.CRITICAL,
            str(error)[:300],
            Location(model.path.name),
            {"error": error.code},
            fix=error.next_step,
        ), present=True)  # fmt: skip
    facts = {"present": True, "verified": True, "files": files}
    return CheckResult(Coverage(files, files, unit="file"), (), facts)


def _verified_files(path: Path, bundle: Bundle, keys: Sequence[PublicKey]) -> int:
    last: TidegateError | None = None
    for key in keys:
        try:
            report = verify_model(path, bundle, key)
        except TrustError as error:  # another key: try the next one
            last = error
            continue
        report.require_intact()
        return report.examined
    raise last or TrustError(
        "no releaser has a key that signs models",
        next_step="run `tidegate keys models` as a releaser",
        slug="no-model-key",
    )


def _result(model: SignedModel, finding: Finding, *, present: bool) -> CheckResult:
    count = sum(1 for item in model.path.rglob("*") if item.is_file()) or 1
    facts = {"present": present, "verified": False, "files": count}
    return CheckResult(Coverage(count, count, unit="file"), (finding,), facts)
