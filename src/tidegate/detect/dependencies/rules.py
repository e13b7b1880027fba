"""What the dependency check can find."""

from typing import Final

from tidegate.core.finding import Detector, Rule, Severity

_ATLAS = ("AML.T0010.001",)
_OWASP = ("LLM03:2025", "ML06:2023")


def _rule(slug: str, title: str, severity: Severity, risk: str, fix: str) -> Rule:
    return Rule(f"TG-REG-05/{slug}", title, severity, risk, fix, _ATLAS, _OWASP)


RULES: Final[tuple[Rule, ...]] = (
    _rule("unpinned", "dependency without an exact version", Severity.MEDIUM,
          "What is installed depends on what was published last, and by whom.",
          "Lock it: `uv lock`, `poetry lock` or `pip-compile --generate-hashes`."),
    _rule("unhashed", "dependency without a hash", Severity.MEDIUM,
          "An index, a mirror or a proxy can hand out other bytes under the same version.",
          "Lock with hashes: `uv lock`, `pip-compile --generate-hashes`, conda-lock."),
    _rule("weak-hash", "dependency with nothing better than MD5 or SHA-1", Severity.MEDIUM,
          "Two archives with one such hash can be made.",
          "Lock anew with a tool that writes SHA-256."),
    _rule("direct-url", "dependency from an address of its own", Severity.MEDIUM,
          "It passes by the index, so by its rules, its mirrors and its withdrawals.",
          "Publish it to your index, or name the index under dependencies.indexes."),
    _rule("vcs", "dependency from a commit of a repository", Severity.LOW,
          "It is built on the installing machine from whatever that commit holds.",
          "Publish a built release to your index and pin its hash."),
    _rule("vcs-branch", "dependency from a branch or tag that can move", Severity.HIGH,
          "Whoever can push to that branch runs code on the next install.",
          "Pin the full commit, or publish a release to your index."),
    _rule("local-path", "dependency from a folder or file outside the project", Severity.LOW,
          "What is there when it is installed is nobody's promise.",
          "Publish it to your index and pin its hash."),
    _rule("foreign-index", "dependency from an index that is not listed", Severity.HIGH,
          "An index that nobody vetted decides what code is installed.",
          "Resolve it from a listed index, or list this one under dependencies.indexes."),
    _rule("internal-name", "internal name from an index that is not yours", Severity.CRITICAL,
          "Dependency confusion: anybody can publish that name elsewhere, and their code runs.",
          "Resolve internal names from your own index only, and lock again."),
    _rule("internal-unstated", "internal name without an index of its own", Severity.HIGH,
          "Whichever index is asked first, or has the higher version, wins the name.",
          "Name your index for it: uv's tool.uv.sources, Poetry's source, or --index-url alone."),
    _rule("extra-index", "several indexes for the same names", Severity.LOW,
          "An installer takes the highest version of any of them: a clash of names decides.",
          "Use one index that proxies the others, or bind each name to its index."),
    _rule("insecure-index", "index that is not verified", Severity.HIGH,
          "Without TLS or its verification, whoever is on the way can replace an archive.",
          "Use https, and drop --trusted-host and verify_ssl = false."),
    _rule("index-password", "password in the address of an index", Severity.HIGH,
          "Lock files are shared and logged; whoever reads it may publish to the index.",
          "Revoke the password now; keep it in keyring, netrc or the environment."),
    _rule("confusable-name", "name that reads like another", Severity.HIGH,
          "Letters that look alike make a reader take a stranger's package for a known one.",
          "Correct the name. If it is meant, list it under dependencies.allowed."),
    _rule("look-alike", "name that is nearly another", Severity.MEDIUM,
          "A mistyped or imitated name installs a stranger's code.",
          "Correct the name. If it is meant, list it under dependencies.allowed."),
    _rule("not-allowed", "dependency that the allow-list does not have", Severity.HIGH,
          "Nobody decided to run this code.",
          "Vet it and list it under dependencies.allowed, or do without."),
    _rule("yanked", "release that its publisher withdrew", Severity.MEDIUM,
          "It was withdrawn for a reason: broken, vulnerable, or not theirs.",
          "Move to a release that stands."),
    _rule("licence", "licence that is not allowed", Severity.MEDIUM,
          "Its terms may bind what you ship.",
          "Replace it, or have the licence allowed under dependencies.licences."),
    _rule("too-young", "release younger than the minimum age", Severity.MEDIUM,
          "Most malicious releases are found and withdrawn within days.",
          "Wait, or lock an older release: `uv lock --exclude-newer DATE`."),
    _rule("advisory", "release with a known flaw", Severity.HIGH,
          "The flaw is public, and so is how to use it.",
          "Move to the fixed version that the finding names."),
    _rule("malicious", "release that is known to be malicious", Severity.CRITICAL,
          "Installing or importing it runs an attacker's code.",
          "Do not install it. Where it was: treat the machine and its secrets as compromised."),
    _rule("installed-changed", "installed file that is not as it was installed", Severity.HIGH,
          "Somebody changed code after its hash was checked.",
          "Find out who; then make the environment anew from the lock."),
    _rule("installed-missing", "installed file that is gone", Severity.LOW,
          "The environment is not what its records say.",
          "Make the environment anew from the lock."),
    _rule("startup-file", "file that runs whenever Python starts", Severity.HIGH,
          "A .pth file or sitecustomize.py of nobody's runs in each process.",
          "Find out who put it there; then make the environment anew from the lock."),
)  # fmt: skip
"""Everything that the dependency check can find."""

_BY_SLUG: Final = {rule.id.partition("/")[2]: rule for rule in RULES}

DETECTOR: Final = Detector("dependencies", "1")


def rule(slug: str) -> Rule:
    """Return a rule by the end of its id."""
    return _BY_SLUG[slug]
