"""Identity: is this the distribution that was meant, and is it one that may be used?"""

from collections.abc import Iterator, Mapping

from tidegate.core.clock import SECOND
from tidegate.core.finding import Finding, Severity, Skipped
from tidegate.detect.dependencies.expectations import Expectations
from tidegate.detect.dependencies.judge.findings import about, called, finding
from tidegate.detect.dependencies.licences import permitted
from tidegate.detect.dependencies.model import Dependency, Ecosystem, LockFile, Source
from tidegate.detect.dependencies.names import Likeness, popular

_DAY = 86_400 * SECOND


def judge_names(lock: LockFile, wanted: Expectations) -> Iterator[Finding]:
    """Yield names that pass for others, and names that are not on the allow-list."""
    for one in {one.name: one for one in lock.dependencies}.values():
        if one.source is Source.SELF or wanted.is_internal(one.name):
            continue
        listed = wanted.lists(one.name)
        own = None if listed else wanted.known.nearest(one.written or one.name)
        if own is not None:
            yield _alike(one, own, "your allow-list", Severity.HIGH)
        elif not listed and one.ecosystem is Ecosystem.PYPI:
            other = popular().nearest(one.written or one.name)
            if other is not None:
                yield _alike(one, other, "a package that is often installed", None)
    for one in lock.dependencies:
        internal = one.source is Source.SELF or wanted.is_internal(one.name)
        if not internal and not wanted.admits(one.name, one.version):
            what = "in this version " if wanted.lists(one.name) else ""
            message = f"{called(one)} is {what}not on the allow-list"
            yield finding("not-allowed", message, one.place, evidence=about(one))


def _alike(one: Dependency, hit: Likeness, whose: str, level: Severity | None) -> Finding:
    slug = "confusable-name" if hit.confusable else "look-alike"
    if hit.weak:
        level = Severity.LOW if level is None else Severity.MEDIUM
    message = f"{(one.written or one.name)[:80]!r} is nearly {hit.name!r} of {whose}: {hit.how}"
    return finding(
        slug, message, one.place, severity=level, evidence={**about(one), "like": hit.name}
    )


def judge_releases(
    lock: LockFile, wanted: Expectations, licences: Mapping[tuple[str, str], str]
) -> Iterator[Finding | Skipped]:
    """Yield releases that were withdrawn, are too young, or have a licence that is not allowed.

    Args:
        lock: What to judge.
        wanted: Settings.
        licences: By name and version, from environments that were read beside the lock.
    """
    unknown: list[str] = []
    undated: list[str] = []
    for one in lock.dependencies:
        if one.yanked is not None:
            why = f": {one.yanked[:100]}" if one.yanked else ""
            yield finding(
                "yanked", f"{called(one)} was withdrawn{why}", one.place, evidence=about(one)
            )
        if one.source is Source.SELF:
            continue
        if wanted.minimum_age:
            yield from _age(one, wanted, undated)
        if wanted.licences or wanted.denied_licences:
            text = one.licence or licences.get((one.name, one.version or ""))
            yield from _licence(one, text, wanted, unknown)
    for names, why in ((undated, "no upload time is known"), (unknown, "no licence is known")):
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""  # noqa: PLR2004 - shown
            yield Skipped(lock.path, f"{why} of {', '.join(names[:3])}{more}")


def _age(one: Dependency, wanted: Expectations, undated: list[str]) -> Iterator[Finding]:
    if one.source is not Source.INDEX:
        return
    if one.uploaded is None:
        undated.append(one.name)
        return
    age = wanted.now - one.uploaded
    if age < wanted.minimum_age:
        days = max(age, 0) // _DAY
        message = (
            f"{called(one)} was uploaded {days} days ago, {wanted.minimum_age // _DAY} are wanted"
        )
        yield finding("too-young", message, one.place, evidence={**about(one), "days": days})


def _licence(
    one: Dependency, text: str | None, wanted: Expectations, unknown: list[str]
) -> Iterator[Finding]:
    if wanted.is_internal(one.name):
        return
    if text is None:
        unknown.append(one.name)
        return
    fits = permitted(text, allowed=wanted.allowed_licences, denied=wanted.refused_licences)
    if fits is None:
        unknown.append(one.name)
    elif not fits:
        message = f"{called(one)} is under {text[:80]}, which is not allowed"
        yield finding("licence", message, one.place, evidence={**about(one), "licence": text[:200]})


def judge_damage(lock: LockFile) -> Iterator[Finding]:
    """Yield files of an environment that are not what was installed."""
    slugs = {"changed": "installed-changed", "missing": "installed-missing"}
    for one in lock.damage:
        level = Severity.LOW if one.kind == "startup-known" else None
        message = f"{one.name}: {one.problem}"
        yield finding(slugs.get(one.kind, "startup-file"), message, one.place, severity=level)
