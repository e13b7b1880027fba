"""Judge a Dockerfile: what it stands on, who it runs as, what it leaks and fetches."""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from tidegate.core.finding import Finding, Location, Severity
from tidegate.detect.images.dockerfile import Dockerfile, Instruction, Stage, read_dockerfile
from tidegate.detect.images.rules import ImageWants, finding
from tidegate.detect.images.secrets import named_secret, secret_file, valued_secret

_DIGEST: Final = re.compile(r"@sha(?:256:[0-9a-f]{64}|512:[0-9a-f]{128})$")
_GETS: Final = re.compile(r"\b(?:curl|wget)\b")
_ENDS: Final = re.compile(r"\n|;(?:\s|$)|&&|&\s")
_RUNS: Final = (
    r"(?:sudo\s+(?:-\S+\s+)*)?(?:env\s+)?(?:\w+=\S+\s+)*(?:/\S*/)?"
    r"(?:(?:ba|da|z|k|a)?sh|python[0-9.]*|perl|node|ruby)\b"
)
_SHELL: Final = re.compile(_RUNS)
_INSIDE: Final = re.compile(rf"{_RUNS}\s+(?:-\S+\s+)*[\"']?(?:<\(|\$\(|`)\s*(?:curl|wget)\b")
_UNVERIFIED: Final = (
    (re.compile(r"--trusted-host\b|PIP_TRUSTED_HOST"), "pip's --trusted-host"),
    (re.compile(r"\bpip[0-9.]*\b[^\n;&|]{0,500}(?:-i|--index-url|--extra-index-url)[= ]http://(?!localhost|127\.)"),
     "an index without TLS"),
    (re.compile(r"\bcurl\b[^\n;&|]{0,500}\s(?:-[a-zA-Z]*k\b|--insecure\b)"), "curl --insecure"),
    (re.compile(r"\bwget\b[^\n;&|]{0,500}--no-check-certificate\b"), "wget --no-check-certificate"),
    (re.compile(r"--allow-unauthenticated\b|--nogpgcheck\b|--no-gpg-checks\b|--allow-untrusted\b"),
     "packages without signatures"),
    (re.compile(r"\bGIT_SSL_NO_VERIFY=|http\.sslVerify[= ]false|NODE_TLS_REJECT_UNAUTHORIZED=0"),
     "TLS that is switched off"),
)  # fmt: skip
_PIP: Final = re.compile(r"\b(?:uv\s+)?pip[0-9.]*\s+install\b([^\n;&|]{0,2000})")
_HASHED: Final = re.compile(r"--require-hashes\b|--no-deps\b|--no-index\b")
_LOCAL: Final = re.compile(
    r"\s(?:-e\s+)?\.?\.?/?\S*\.whl\b|\s(?:-e\s+)?\.(?:\[[^\]]*\])?(?=\s|$)|\s/\S+"
)
_URL: Final = re.compile(r"(?:https?|ftp)://|git@")
_ROOT: Final = frozenset({"root", "0"})


def check_dockerfile(text: str, path: str, wanted: ImageWants) -> tuple[Finding, ...]:
    """Judge a Dockerfile.

    Raises:
        CheckError: It is none, or exceeds a bound.
    """
    return tuple(_judged(read_dockerfile(text), path, wanted))


def _judged(file: Dockerfile, path: str, wanted: ImageWants) -> Iterator[Finding]:
    for one in file.arguments:
        yield from _values(one, path)
    names = {stage.name for stage in file.stages} | {str(n) for n in range(len(file.stages))}
    for stage in file.stages:
        if stage.parent is None:
            yield from _base(stage.base, stage.open, Location(path, line=stage.line), wanted)
        for one in stage.instructions:
            yield from _instruction(one, path, wanted, names)
    yield from _user(file, path)


def _base(
    image: str, undecided: tuple[str, ...], place: Location, wanted: ImageWants
) -> Iterator[Finding]:
    if image == "scratch":
        return
    if undecided:
        message = f"the base {image[:100]} depends on {', '.join(undecided)[:100]}"
        yield finding("base-unknown", message, place)
        return
    repository, version = split_image(image)
    facts = {"image": image[:200]}
    if not wanted.lists(repository):
        message = f"{repository[:100]} is in no listed registry"
        yield finding("base-registry", message, place, evidence=facts)
    if _DIGEST.search(image):
        return
    if version in {"", "latest"}:
        yield finding("base-latest", f"{image[:100]} has no version", place, evidence=facts)
    else:
        message = f"{image[:100]} is named by a tag, which can move"
        yield finding("base-tag", message, place, evidence=facts)


def split_image(image: str) -> tuple[str, str]:
    """Return repository, with its registry, and tag.

    >>> split_image("python:3.12"), split_image("r.example:5000/a/b")
    (('docker.io/library/python', '3.12'), ('r.example:5000/a/b', ''))
    """
    name = image.partition("@")[0]
    head, slash, last = name.rpartition("/")
    last, _, tag = last.partition(":")
    name = f"{head}{slash}{last}"
    first = name.partition("/")[0]
    if "/" not in name:
        name = f"docker.io/library/{name}"
    elif not (set(".:") & set(first) or first == "localhost"):
        name = f"docker.io/{name}"
    return name.lower(), tag


def _instruction(
    one: Instruction, path: str, wanted: ImageWants, names: set[str]
) -> Iterator[Finding]:
    place = Location(path, line=one.line)
    if one.name in {"ENV", "ARG", "LABEL"}:
        yield from _values(one, path)
    elif one.name in {"COPY", "ADD"}:
        source = one.flags.get("from")
        if source and source.lower() not in names:
            undecided = ("an argument",) if "$" in source else ()
            yield from _base(source, undecided, place, wanted)
        yield from _copied(one, place, from_elsewhere=source is not None)
    elif one.name == "RUN":
        yield from _run("\n".join((one.text, *one.documents)), place)
    elif one.name in {"CMD", "ENTRYPOINT", "HEALTHCHECK"} and valued_secret(one.text):
        yield finding("secret", f"{one.name} holds what looks like a secret", place)


def _values(one: Instruction, path: str) -> Iterator[Finding]:
    place = Location(path, line=one.line)
    for name, value in one.pairs:
        if value and valued_secret(value):
            message = f"{one.name} {name[:60]} holds what looks like a secret"
            yield finding("secret", message, place, severity=Severity.CRITICAL)
        elif one.name != "LABEL" and named_secret(name):
            if value and not value.startswith("$"):
                yield finding("secret", f"{one.name} {name[:60]} has a value in the file", place)
            elif one.name == "ARG" and not value:
                message = f"ARG {name[:60]}: what is given for it stays in the image's history"
                yield finding("secret", message, place, severity=Severity.MEDIUM)


def _copied(one: Instruction, place: Location, *, from_elsewhere: bool) -> Iterator[Finding]:
    sources = one.words[:-1]
    for source in sources:
        if not from_elsewhere and secret_file(source):
            yield finding("secret-file", f"{source[:100]} is copied into the image", place)
        if one.name == "ADD" and _URL.match(source) and "checksum" not in one.flags:
            git = source.startswith("git@") or ".git" in source
            pinned = git and re.search(r"#[0-9a-f]{40}$", source)
            if not pinned:
                yield finding("remote-add", f"ADD fetches {source[:100]} unchecked", place)


def _run(text: str, place: Location) -> Iterator[Finding]:
    if _piped(text) or _INSIDE.search(text):
        yield finding("pipe-to-shell", "what is downloaded is run at once", place)
    for pattern, what in _UNVERIFIED:
        if pattern.search(text):
            yield finding("unverified-download", f"it uses {what}", place)
    if valued_secret(text):
        yield finding("secret", "RUN holds what looks like a secret", place)
    for match in _PIP.finditer(text):
        words = _LOCAL.sub(" ", " " + match[1])
        named = [word for word in words.split() if not word.startswith("-")]
        if named and not _HASHED.search(match[0]):
            yield finding("pip-unhashed", f"pip installs {named[0][:60]} without hashes", place)
            return


def _piped(text: str) -> bool:
    """Tell whether a download goes through a pipe into something that runs it."""
    for command in _ENDS.split(text):
        parts = command.split("|")
        for before, after in pairwise(parts):
            if _SHELL.match(after.lstrip()) and _GETS.search(before):
                return True
    return False


def _user(file: Dockerfile, path: str) -> Iterator[Finding]:
    stages = {stage.name: stage for stage in file.stages}
    stages |= {str(number): stage for number, stage in enumerate(file.stages)}
    final: Stage | None = file.stages[-1]
    place = Location(path, line=file.stages[-1].line)
    seen = 0
    while final is not None and seen <= len(file.stages):
        seen += 1
        users = [one for one in final.instructions if one.name == "USER"]
        if users:
            name = users[-1].text.strip().partition(":")[0].strip("\"'")
            if name.lower() in _ROOT:
                at = Location(path, line=users[-1].line)
                yield finding("root-user", "the image runs as root", at)
            return
        if "nonroot" in final.base or "rootless" in final.base:
            return
        final = stages.get(final.parent) if final.parent else None
    yield finding(
        "root-user", "no USER is named: the image runs as its base does, mostly root", place
    )
