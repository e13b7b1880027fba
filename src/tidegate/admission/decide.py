"""Decide one admission: from the object, the shelf and the settings; no input or output.

It can't wedge a cluster. What was released before stays admissible (a rollback, a restarted Pod),
unless it was recalled; an update that names nothing new passes; exempt namespaces pass; and a
member of a break-glass group may let an object in with a reason, which is recorded.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from tidegate.admission.references import Kind, Reference, find_references
from tidegate.admission.review import Review
from tidegate.admission.settings import AdmissionSettings, Mode
from tidegate.admission.shelf import Shelf
from tidegate.core.clock import DAY, Micros
from tidegate.core.errors import SubjectError
from tidegate.interop.release import Release

DIGEST_ANNOTATION = "tidegate/digest"
"""The model's digest, where its URI does not pin it."""
BREAK_GLASS_ANNOTATION = "tidegate/break-glass"
"""Why an object must come in although no evidence lets it."""
_MAX_REASON = 600
_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the API server is told."""

    allowed: bool
    reason: str
    """A code: ``released``, ``unchanged``, ``exempt``, ``not-released``, ``recalled``…"""
    message: str = ""
    warnings: tuple[str, ...] = ()
    glass: str = ""
    """The reason of whoever broke the glass."""
    releases: tuple[Release, ...] = ()


@dataclass(frozen=True, slots=True)
class _Refusal:
    reason: str
    text: str


@dataclass(slots=True)
class _Judgement:
    """Judges the references of one object, and gathers what is to be said."""

    review: Review
    shelf: Shelf
    settings: AdmissionSettings
    now: Micros
    refusals: list[_Refusal] = field(default_factory=list[_Refusal])
    warnings: list[str] = field(default_factory=list[str])
    releases: list[Release] = field(default_factory=list[Release])

    def judge(self, reference: Reference) -> None:
        """Look one reference up, and say what is wrong with it."""
        stated = self.review.annotation(DIGEST_ANNOTATION)
        release = _release(reference, self.shelf, stated)
        if release is None:
            self.refusals.append(_missing(reference, self.shelf, self.settings, stated))
            return
        if {str(release.digest), reference.digest} & self.shelf.recalled:
            self._refuse("recalled", f"{_place(reference)} is quarantined or revoked")
            return
        self.releases.append(release)
        self._check_age(reference, release)
        if reference.digest is None and stated is None:
            self.warnings.append(
                f"{reference.uri} does not pin its content: verify the files before they are "
                f"loaded (init container), or annotate {DIGEST_ANNOTATION}"
            )

    def verdict(self) -> Verdict:
        """Say what becomes of the object."""
        warnings, releases = tuple(self.warnings[:_SHOWN]), tuple(self.releases)
        if not self.refusals:
            return Verdict(allowed=True, reason="released", warnings=warnings, releases=releases)
        reason = self.refusals[0].reason
        message = "; ".join(_texts(self.refusals))
        glass = _glass(self.review, self.settings)
        if glass:
            told = (f"let in by break-glass, recorded: {message}", *warnings)
            return Verdict(True, "break-glass", message, told, glass)
        if self.settings.mode is Mode.WARN:
            told = (f"would be refused: {message}", *warnings)
            return Verdict(True, f"warned-{reason}", message, told)
        return Verdict(False, reason, message, warnings)

    def _check_age(self, reference: Reference, release: Release) -> None:
        age = self.now - release.time
        if age <= self.settings.max_age:
            return
        text = f"the release of {reference.uri} is {age // DAY} days old"
        if self.settings.refuse_old:
            self._refuse("old-release", f"{text}: run `tidegate serve check --release` again")
        else:
            self.warnings.append(text)

    def _refuse(self, reason: str, text: str) -> None:
        self.refusals.append(_Refusal(reason, text))


def decide(review: Review, shelf: Shelf, settings: AdmissionSettings, *, now: Micros) -> Verdict:
    """Say whether an object may come in."""
    if review.operation not in {"CREATE", "UPDATE"}:
        return Verdict(allowed=True, reason="nothing-comes-in")
    if review.namespace in settings.exempt:
        return Verdict(allowed=True, reason="exempt")
    judgement = _Judgement(review, shelf, settings, now)
    try:
        wanted = _wanted(review, settings)
    except SubjectError as error:
        text = f"{error.problem} at {error.where}: {error.cause}"
        judgement.refusals.append(_Refusal("unreadable-object", text))
        return judgement.verdict()
    if not wanted:
        return Verdict(allowed=True, reason="unchanged" if review.old else "names-no-model")
    for reference in wanted:
        judgement.judge(reference)
    return judgement.verdict()


def _wanted(review: Review, settings: AdmissionSettings) -> Sequence[Reference]:
    """Return the references that need a release: of an update, those that it brings."""
    brought = [one for one in find_references(review.body) if _needs(one, settings)]
    if review.old is None:
        return brought
    try:
        before = {(one.uri, one.kind) for one in find_references(review.old)}
    except SubjectError:
        return brought
    same = review.annotation(DIGEST_ANNOTATION) == review.old_annotation(DIGEST_ANNOTATION)
    return [one for one in brought if not same or (one.uri, one.kind) not in before]


def _needs(reference: Reference, settings: AdmissionSettings) -> bool:
    if reference.kind is Kind.MODEL:
        return True
    return any(fnmatchcase(reference.uri, glob) for glob in settings.images)


def _release(reference: Reference, shelf: Shelf, stated: str | None) -> Release | None:
    """Find what lets a reference in: the digest that it pins, or its URI.

    A pinned digest must itself be released: a URI that says another digest than its release did
    is other content. A digest that is stated beside it must be the released one.
    """
    if reference.digest is not None:
        return shelf.by_digest.get(reference.digest)
    release = shelf.by_resource.get(reference.uri)
    if release is None or (stated is not None and str(release.digest) != stated):
        return None
    return release


def _missing(
    reference: Reference, shelf: Shelf, settings: AdmissionSettings, stated: str | None
) -> _Refusal:
    place = _place(reference)
    if reference.kind is Kind.MODEL and reference.scheme not in settings.schemes:
        scheme = reference.scheme or "none"
        return _Refusal("unknown-scheme", f"{place}: URIs of scheme {scheme} are not let in")
    if reference.digest in shelf.recalled:
        return _Refusal("recalled", f"{place} is quarantined or revoked")
    if stated is not None and reference.uri in shelf.by_resource:
        return _Refusal("other-digest", f"{place} was released with another digest than annotated")
    return _Refusal(
        "not-released",
        f"{place} has no release here: promote it, write one with `tidegate registry promote "
        "--release FILE --resource URI`, and put it into the webhook's folder",
    )


def _place(reference: Reference) -> str:
    return f"{reference.uri} ({reference.where})"


def _texts(refusals: Sequence[_Refusal]) -> Iterator[str]:
    yield from (refusal.text for refusal in refusals[:_SHOWN])
    if len(refusals) > _SHOWN:
        yield f"and {len(refusals) - _SHOWN} more"


def _glass(review: Review, settings: AdmissionSettings) -> str:
    """Return the reason of whoever may break the glass, and did."""
    reason = (review.annotation(BREAK_GLASS_ANNOTATION) or "").strip()
    member = bool(settings.break_glass & review.groups)
    return reason[:_MAX_REASON] if member else ""
