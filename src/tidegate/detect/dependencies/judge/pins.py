"""Pins and hashes: is what will be installed decided, byte for byte?"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from tidegate.core.finding import Finding, Location, Severity
from tidegate.detect.dependencies.judge.findings import about, called, finding
from tidegate.detect.dependencies.model import Dependency, Format, LockFile, Source

_COMMIT: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_WEAK: Final = frozenset({"md5", "sha1", "sha224"})
_RECORDS: Final = frozenset({Format.INSTALLED})
"""Formats that name what is there, and need no hashes of archives."""
_SHOWN: Final = 5


def judge_pins(lock: LockFile) -> Iterator[Finding]:
    """Yield what is left open."""
    for one in lock.dependencies:
        if one.source is Source.INDEX and one.version is None:
            yield finding(
                "unpinned", f"{one.name} has no exact version", one.place, evidence=about(one)
            )
    if lock.format not in _RECORDS:
        yield from _hashes(lock)
    for one in lock.dependencies:
        yield from _direct(one)


def _hashes(lock: LockFile) -> Iterator[Finding]:
    wanted = [
        one
        for one in lock.dependencies
        if one.source in {Source.INDEX, Source.URL} and (one.version or one.source is Source.URL)
    ]
    bare = [one for one in wanted if not one.hashes]
    if len(bare) == len(wanted) and len(bare) > _SHOWN:
        yield _together(lock, bare)
    else:
        for one in bare:
            message = f"{called(one)} has no hash"
            yield finding("unhashed", message, one.place, evidence=about(one))
    for one in wanted:
        if one.hashes and one.unhashed:
            message = f"{called(one)}: {one.unhashed} of its archives have no hash"
            yield finding("unhashed", message, one.place, evidence=about(one))
        if one.hashes and all(text.partition(":")[0] in _WEAK for text in one.hashes):
            message = f"{called(one)} has only {one.hashes[0].partition(':')[0]} hashes"
            yield finding("weak-hash", message, one.place, evidence=about(one))


def _together(lock: LockFile, bare: Sequence[Dependency]) -> Finding:
    names = ", ".join(one.name for one in bare[:_SHOWN])
    message = f"none of the {len(bare)} dependencies has a hash: {names} …"
    return finding("unhashed", message, Location(lock.path), evidence={"dependencies": len(bare)})


def _direct(one: Dependency) -> Iterator[Finding]:
    facts = about(one)
    if one.source is Source.VCS:
        if one.revision and _COMMIT.fullmatch(one.revision):
            message = f"{called(one)} is built from commit {one.revision[:12]} of a repository"
            yield finding("vcs", message, one.place, evidence=facts)
        else:
            what = (
                f"the branch or tag {one.revision[:60]!r}" if one.revision else "the default branch"
            )
            message = f"{called(one)} is built from {what} of a repository"
            yield finding("vcs-branch", message, one.place, evidence=facts)
    elif one.source is Source.URL:
        level = Severity.LOW if one.hashes else Severity.MEDIUM
        message = f"{called(one)} comes from an address of its own"
        yield finding("direct-url", message, one.place, severity=level, evidence=facts)
    elif one.source in {Source.PATH, Source.EDITABLE} and _outside(one.address):
        how = "is imported in place from" if one.source is Source.EDITABLE else "comes from"
        message = f"{called(one)} {how} {(one.address or '')[:100]}"
        yield finding("local-path", message, one.place, evidence=facts)


def _outside(address: str | None) -> bool:
    text = (address or "").removeprefix("file://")
    return (
        text.startswith(("/", "~", ".."))
        or "/../" in text
        or re.match(r"[A-Za-z]:", text) is not None
    )
