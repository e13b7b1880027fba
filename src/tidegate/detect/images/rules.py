"""What the image check can find, and what a workspace wants of images."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tidegate.core.canonical import Json
from tidegate.core.finding import Detector, Finding, Location, Rule, Severity

_ATLAS = ("AML.T0010.004",)
_OWASP = ("LLM03:2025", "ML06:2023")


def _rule(slug: str, title: str, severity: Severity, risk: str, fix: str) -> Rule:
    return Rule(f"TG-REG-06/{slug}", title, severity, risk, fix, _ATLAS, _OWASP)


RULES: Final[tuple[Rule, ...]] = (
    _rule("base-tag", "base image by tag", Severity.MEDIUM,
          "A tag moves: tomorrow's build stands on another image.",
          "Pin it: FROM name:tag@sha256:…"),
    _rule("base-latest", "base image without a version", Severity.MEDIUM,
          "Whatever was pushed last becomes the ground of the build.",
          "Name a version and pin its digest."),
    _rule("base-unknown", "base image that the file does not decide", Severity.MEDIUM,
          "Whoever starts the build decides what it stands on.",
          "Give the argument a default that is pinned, or name the image."),
    _rule("base-registry", "base image from a registry that is not listed", Severity.HIGH,
          "Nobody vetted who may push there.",
          "Use a base from a listed registry, or list this one under images.registries."),
    _rule("root-user", "image that runs as root", Severity.MEDIUM,
          "A flaw in the service becomes root in the container.",
          "End with USER and a number above 0."),
    _rule("secret", "secret in an image", Severity.HIGH,
          "Whoever can pull the image can read it, in any layer and in its history.",
          "Revoke it; hand secrets over at run time, or with RUN --mount=type=secret."),
    _rule("secret-file", "file of secrets copied into an image", Severity.HIGH,
          "Whoever can pull the image can read it, even where a later layer deletes it.",
          "Leave it out with .dockerignore; use RUN --mount=type=secret."),
    _rule("remote-add", "content from an address without a checksum", Severity.MEDIUM,
          "Whatever that address serves on the day goes into the image.",
          "Use ADD --checksum=sha256:…, or fetch it and check its hash."),
    _rule("pipe-to-shell", "download that is run unseen", Severity.HIGH,
          "Whoever serves that address, or stands on the way, runs code in the build.",
          "Fetch it, check its hash, then run it; or install a package."),
    _rule("unverified-download", "download without verification", Severity.HIGH,
          "Without TLS or signatures, whoever is on the way can replace what is installed.",
          "Drop --trusted-host, --insecure and their like; give the authority's certificate."),
    _rule("pip-unhashed", "pip install without hashes", Severity.LOW,
          "An index or a proxy can hand out other bytes under the same version.",
          "Install from a lock with pip install --require-hashes -r, or uv sync --locked."),
    _rule("digest-mismatch", "content that is not what its digest says", Severity.CRITICAL,
          "The image was changed, or put together from parts of others.",
          "Do not run it. Get it again from where it was built."),
    _rule("foreign-layer", "layer that lies at an address elsewhere", Severity.MEDIUM,
          "The registry does not hold what the image is made of.",
          "Build it anew so that the registry holds all layers."),
    _rule("base-unstated", "image that does not say what it stands on", Severity.LOW,
          "After an advisory nobody can tell whether its base has the flaw.",
          "Build with annotations org.opencontainers.image.base.name and .digest."),
    _rule("unsigned", "image without a signature that counts", Severity.HIGH,
          "Whoever can push to the registry can replace it, and nobody would see it.",
          "Sign it with a listed key: cosign sign --key."),
    _rule("bad-signature", "signature that does not fit the image", Severity.CRITICAL,
          "A signature was moved from another image, or damaged.",
          "Find out who put it there; get the image again from where it was built."),
)  # fmt: skip
"""Everything that the image check can find."""

DETECTOR: Final = Detector("images", "1")
_BY_SLUG: Final = {rule.id.partition("/")[2]: rule for rule in RULES}


@dataclass(frozen=True, slots=True)
class ImageWants:
    """What a workspace wants of images."""

    registries: tuple[str, ...] = ()
    """Where base images may come from; empty allows any."""

    def lists(self, repository: str) -> bool:
        """Tell whether a repository lies under a listed prefix; always where there is no list.

        >>> ImageWants(("registry.example/base",)).lists("registry.example/base-evil/x")
        False
        """
        if not self.registries:
            return True
        prefixes = [one.rstrip("/") for one in self.registries]
        return any(repository == one or repository.startswith(one + "/") for one in prefixes)


def finding(
    slug: str,
    message: str,
    place: Location,
    *,
    severity: Severity | None = None,
    evidence: Mapping[str, Json] | None = None,
) -> Finding:
    """Return a finding of a rule."""
    rule = _BY_SLUG[slug]
    level = rule.severity if severity is None else severity
    return Finding(rule.id, level, message[:400], place, dict(evidence or {}))
