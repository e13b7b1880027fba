"""Origins: which index each name comes from, and whether it should.

Dependency confusion is decided by the index of origin of each name, not by the name alone.
"""

import re
from collections.abc import Iterator
from typing import Final

from tidegate.core.finding import Finding, Skipped
from tidegate.detect.dependencies.expectations import Expectations
from tidegate.detect.dependencies.judge.findings import about, called, finding
from tidegate.detect.dependencies.model import (
    Dependency,
    Format,
    LockFile,
    Role,
    Source,
    shown_url,
    within,
)

_LOCAL: Final = re.compile(r"https?://(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])(?:[:/]|$)")
_PASSWORD: Final = re.compile(r"://[^/@\s:]+:([^/@\s]+)@")
_VARIABLE: Final = re.compile(r"\$\{?\w+\}?")
_FALLS_BACK: Final = frozenset({Format.REQUIREMENTS, Format.CONDA_ENVIRONMENT})
"""Formats that don't say which index each name came from."""


def judge_origins(lock: LockFile, wanted: Expectations) -> Iterator[Finding | Skipped]:
    """Yield what comes from where it should not, and what can't be told."""
    yield from _indexes(lock)
    several = _several(lock)
    if several:
        yield several
    for one in lock.dependencies:
        if one.source is Source.SELF:
            continue
        if wanted.is_internal(one.name):
            yield from _internal(one, lock, wanted, several=several is not None)
        elif wanted.indexes and one.source is Source.INDEX and one.address is not None:
            listed = (*wanted.indexes, *wanted.internal_indexes)
            if not any(within(one.address, index) for index in listed):
                message = f"{called(one)} comes from {shown_url(one.address)}, which is not listed"
                yield finding("foreign-index", message, one.place, evidence=about(one))


def _internal(
    one: Dependency, lock: LockFile, wanted: Expectations, *, several: bool
) -> Iterator[Finding | Skipped]:
    facts = about(one)
    if one.source in {Source.PATH, Source.EDITABLE}:
        return
    if one.source is Source.UNSTATED or (one.source is Source.VCS and not wanted.internal_indexes):
        yield Skipped(f"{one.name} in {lock.path}", "an internal name, and nothing says from where")
        return
    address = one.address
    if lock.format in _FALLS_BACK and not any(index.role is Role.PRIMARY for index in lock.indexes):
        if lock.offline:
            yield Skipped(f"{one.name} in {lock.path}", "an internal name from local files")
            return
        message = f"{one.name} is internal, and the file names no index: the public one is asked"
        yield finding("internal-unstated", message, one.place, evidence=facts)
        return
    if address is None or not any(within(address, index) for index in wanted.internal_indexes):
        message = f"{one.name} is internal, and comes from {shown_url(address or 'nowhere stated')}"
        yield finding("internal-name", message, one.place, evidence=facts)
    elif several and lock.format in _FALLS_BACK:
        message = f"{one.name} is internal, and other indexes are asked for it, too"
        yield finding("internal-unstated", message, one.place, evidence=facts)


def _several(lock: LockFile) -> Finding | None:
    """Report names that any of several indexes may answer for; locks that bind names don't."""
    extra = [one for one in lock.indexes if one.role is Role.EXTRA]
    if not extra or lock.format not in _FALLS_BACK:
        return None
    urls = ", ".join(shown_url(one.url) for one in extra[:3])
    return finding("extra-index", f"{urls} is asked beside the index", extra[0].place)


def _indexes(lock: LockFile) -> Iterator[Finding]:
    for one in lock.indexes:
        if one.role is Role.TRUSTED_HOST:
            message = f"{shown_url(one.url)} is used without verifying who it is"
            yield finding("insecure-index", message, one.place)
    addresses = {(one.url, one.place) for one in lock.indexes if one.role is not Role.TRUSTED_HOST}
    addresses |= {(one.address, one.place) for one in lock.dependencies if one.address}
    told: set[str] = set()
    for url, place in sorted(addresses, key=lambda pair: (pair[1].line or 0, pair[0])):
        host = url.partition("://")[2].partition("/")[0]
        if host in told:
            continue
        if url.startswith("http://") and not _LOCAL.match(url):
            told.add(host)
            yield finding("insecure-index", f"{shown_url(url)} is used without TLS", place)
        password = _PASSWORD.search(url)
        if password and not _VARIABLE.fullmatch(password[1]):
            told.add(host)
            yield finding("index-password", f"{shown_url(url)} is written with a password", place)
