"""Predicates of others that we write: SLSA provenance v1, VSA v1, in-toto test-result v0.1.

They are plain JSON objects: a builder makes one, a checker refuses one that a reader could not
rely on. Each function names the specification that it follows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from tidegate.core.attest.uris import BUILD_TYPE
from tidegate.core.canonical import Json
from tidegate.core.clock import Micros, iso, parse_iso
from tidegate.core.digest import Digest
from tidegate.core.identity.reading import Fields
from tidegate.core.stage import Outcome

MAX_ITEMS = 65_536
_TESTS = ("passedTests", "warnedTests", "failedTests")


@dataclass(frozen=True, slots=True)
class Resource:
    """An in-toto resource descriptor: something by name, place and digests."""

    name: str
    digests: Mapping[str, str]
    uri: str = ""
    annotations: Mapping[str, Json] = field(default_factory=dict[str, Json])

    @classmethod
    def of(cls, name: str, digest: Digest, *, uri: str = "") -> Self:
        """Make one of a single digest."""
        return cls(name, {digest.algorithm: digest.hex}, uri)

    def to_json(self) -> dict[str, Json]:
        """Return only the fields that are set."""
        out: dict[str, Json] = {"name": self.name, "digest": dict(self.digests)}
        if self.uri:
            out["uri"] = self.uri
        if self.annotations:
            out["annotations"] = dict(self.annotations)
        return out


def build_slsa_provenance(
    *,
    builder: str,
    external: Mapping[str, Json],
    materials: Sequence[Resource],
    invocation: str,
    started: Micros,
    finished: Micros,
    internal: Mapping[str, Json] | None = None,
    versions: Mapping[str, str] | None = None,
    byproducts: Sequence[Resource] = (),
    build_type: str = BUILD_TYPE,
) -> dict[str, Json]:
    """Build a provenance predicate (SLSA v1.0, "Provenance").

    Args:
        builder: URI of what ran the build, and is trusted to tell the truth about it.
        external: Parameters that the requester controlled: command, seed, source.
        materials: Everything that went in.
        invocation: Id of this run.
        started: When it began.
        finished: When it ended.
        internal: Parameters that the builder set: isolation tier, limits.
        versions: Versions of the builder's parts.
        byproducts: Reports and logs.
        build_type: URI of the parameters' meaning.
    """
    return {
        "buildDefinition": {
            "buildType": build_type,
            "externalParameters": dict(external),
            "internalParameters": dict(internal or {}),
            "resolvedDependencies": [material.to_json() for material in materials],
        },
        "runDetails": {
            "builder": {"id": builder, "version": dict(versions or {})},
            "metadata": {
                "invocationId": invocation,
                "startedOn": iso(started),
                "finishedOn": iso(finished),
            },
            "byproducts": [resource.to_json() for resource in byproducts],
        },
    }


def check_slsa_provenance(value: Json) -> None:
    """Check a provenance predicate.

    Raises:
        VerificationError: A required field is missing or wrong.
    """
    fields = Fields(value, "slsa-provenance")
    definition = Fields(fields.any("buildDefinition"), "slsa-provenance")
    definition.text("buildType", limit=2_048)
    definition.object("externalParameters")
    if definition.has("resolvedDependencies"):
        definition.array("resolvedDependencies", limit=MAX_ITEMS)
    run = Fields(fields.any("runDetails"), "slsa-provenance")
    Fields(run.any("builder"), "slsa-provenance").text("id", limit=2_048)
    if run.has("metadata"):
        metadata = Fields(run.any("metadata"), "slsa-provenance")
        for name in ("startedOn", "finishedOn"):
            if metadata.has(name):
                _time(metadata, name)


def build_verification_summary(
    *,
    verifier: str,
    time: Micros,
    resource: str,
    policy_uri: str,
    policy: Digest,
    outcome: Outcome,
    levels: Sequence[str] = (),
    versions: Mapping[str, str] | None = None,
    inputs: Sequence[tuple[str, Digest]] = (),
) -> dict[str, Json]:
    """Build a verification summary (SLSA v1.0, "Verification Summary Attestation").

    Args:
        verifier: URI of who verified.
        time: When.
        resource: URI of what was verified, as its consumer calls it.
        policy_uri: URI of the policy.
        policy: Digest of the policy.
        outcome: Only ``allow`` is PASSED: undecided is FAILED, for a reader that knows two.
        levels: Levels that were reached, such as ``SLSA_BUILD_LEVEL_2``; dropped on FAILED.
        versions: Versions of the verifier's parts.
        inputs: URI and digest of each attestation that was looked at.
    """
    passed = outcome is Outcome.ALLOW
    return {
        "verifier": {"id": verifier, "version": dict(versions or {})},
        "timeVerified": iso(time),
        "resourceUri": resource,
        "policy": {"uri": policy_uri, "digest": {policy.algorithm: policy.hex}},
        "inputAttestations": [
            {"uri": uri, "digest": {digest.algorithm: digest.hex}} for uri, digest in inputs
        ],
        "verificationResult": "PASSED" if passed else "FAILED",
        "verifiedLevels": list(levels) if passed else ["FAILED"],
        "slsaVersion": "1.0",
    }


def check_verification_summary(value: Json) -> None:
    """Check a verification summary; one that failed and claims a level is refused.

    Raises:
        VerificationError: A required field is missing, wrong or contradicts another.
    """
    fields = Fields(value, "verification-summary")
    Fields(fields.any("verifier"), "verification-summary").text("id", limit=2_048)
    _time(fields, "timeVerified")
    fields.text("resourceUri", limit=4_096)
    fields.object("policy")
    result = fields.text("verificationResult", limit=16)
    if result not in {"PASSED", "FAILED"}:
        raise fields.refuse("it is neither PASSED nor FAILED", where="verificationResult")
    levels = fields.texts("verifiedLevels", limit=64)
    if (result == "FAILED" and set(levels) - {"FAILED"}) or (
        result == "PASSED" and "FAILED" in levels
    ):
        raise fields.refuse("the levels contradict the result", where="verifiedLevels")


def build_test_result(
    *,
    outcome: Outcome,
    configuration: Sequence[Resource],
    passed: Sequence[str] = (),
    warned: Sequence[str] = (),
    failed: Sequence[str] = (),
    url: str = "",
) -> dict[str, Json]:
    """Build a test result (in-toto attestation, "Test Result" v0.1).

    Args:
        outcome: ``allow`` is PASSED, or WARNED where a test warned; all else is FAILED.
        configuration: What was run: test sets, scorers, settings, by digest.
        passed: Names of tests.
        warned: Names of tests.
        failed: Names of tests, those that could not be run included.
        url: Where the run can be seen.
    """
    result = "FAILED"
    if outcome is Outcome.ALLOW and not failed:
        result = "WARNED" if warned else "PASSED"
    out: dict[str, Json] = {
        "result": result,
        "configuration": [resource.to_json() for resource in configuration],
        **dict(zip(_TESTS, (list(passed), list(warned), list(failed)), strict=True)),
    }
    if url:
        out["url"] = url
    return out


def check_test_result(value: Json) -> None:
    """Check a test result; one that passed with failed tests is refused.

    Raises:
        VerificationError: A required field is missing, wrong or contradicts another.
    """
    fields = Fields(value, "test-result")
    result = fields.text("result", limit=16)
    if result not in {"PASSED", "WARNED", "FAILED"}:
        raise fields.refuse("it is none of PASSED, WARNED, FAILED", where="result")
    fields.array("configuration", limit=MAX_ITEMS)
    named = {name: fields.texts(name, limit=MAX_ITEMS) for name in _TESTS if fields.has(name)}
    if result != "FAILED" and named.get("failedTests"):
        raise fields.refuse("it did not fail, and names failed tests", where="result")


def _time(fields: Fields, name: str) -> Micros:
    try:
        return parse_iso(fields.text(name, limit=64))
    except ValueError as error:
        raise fields.refuse(str(error), where=name) from None
