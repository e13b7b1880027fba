"""Every type URI that is written or read, in one place.

Ours begin with ``urn:tidegate:`` and carry their version; a version that is not listed here is
kept as it is, and never passes a check.
"""

STATEMENT_V1 = "https://in-toto.io/Statement/v1"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
BUNDLE_V03 = "application/vnd.dev.sigstore.bundle.v0.3+json"

GATE = "urn:tidegate:predicate:gate:v1"
DIRECTIVE = "urn:tidegate:predicate:directive:v1"
DRILL = "urn:tidegate:predicate:drill:v1"
TRUST = "urn:tidegate:predicate:trust:v1"
RECALLS = "urn:tidegate:predicate:recalls:v1"
EVENTS = "urn:tidegate:predicate:events:v1"

SLSA_PROVENANCE = "https://slsa.dev/provenance/v1"
VERIFICATION_SUMMARY = "https://slsa.dev/verification_summary/v1"
TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"
MODEL_SIGNATURE = "https://model_signing/signature/v1.0"

BUILD_TYPE = "urn:tidegate:build:wrapped-command:v1"
"""SLSA build type of a command that a gate ran."""
