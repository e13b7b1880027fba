"""Merging bills of materials, and what is said about flaws in their parts (VEX).

>>> from tidegate.interop.bom.model import Assessment, State
>>> old = Assessment("CVE-1", State.IN_TRIAGE, ("pkg:pypi/a@1",), at=Micros(1))
>>> new = Assessment("CVE-1", State.EXPLOITABLE, ("pkg:pypi/a@1",), at=Micros(2))
>>> [item.state.value for item in merge_assessments([new, old])]
['exploitable']
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from tidegate.core.clock import Micros
from tidegate.core.errors import SubjectError
from tidegate.interop.bom.model import Assessment, Bom, ModelPart, State

_WORST: Final = (
    State.EXPLOITABLE,
    State.IN_TRIAGE,
    State.RESOLVED,
    State.RESOLVED_WITH_PEDIGREE,
    State.FALSE_POSITIVE,
    State.NOT_AFFECTED,
)


def merge(boms: Sequence[Bom], made_at: Micros | None) -> Bom:
    """Return one with the parts of all.

    Args:
        boms: At least one. All that are about something must be about the same.
        made_at: When the merged one is made.

    Raises:
        SubjectError: They are about different models, or none is given.
    """
    if not boms:
        raise _refuse("nothing to merge", "name at least one document")
    subjects = [bom.model for bom in boms if bom.model is not None]
    model = subjects[0] if subjects else None
    for other in subjects[1:]:
        model = _same(model or other, other)
    codes = {bom.code for bom in boms if bom.code is not None}
    if len(codes) > 1:
        raise _refuse("the documents name different code", "merge those of one training")
    steps = dict.fromkeys(step for bom in boms for step in bom.steps)
    merged = Bom(
        model=model,
        made_at=made_at,
        data=tuple(part for bom in boms for part in bom.data),
        code=next(iter(codes), None),
        packages=tuple(part for bom in boms for part in bom.packages),
        tool=boms[0].tool,
        sources=tuple(part for bom in boms for part in bom.sources),
        images=tuple(part for bom in boms for part in bom.images),
        attestations=tuple(part for bom in boms for part in bom.attestations),
        steps=tuple(steps),
        assessments=merge_assessments(item for bom in boms for item in bom.assessments),
    )
    return merged.ordered()


def merge_assessments(items: Iterable[Assessment]) -> tuple[Assessment, ...]:
    """Keep one assessment for each flaw and part.

    The newest counts; of two of one time, or where one has none, the worse: exploitable before
    in_triage before resolved before false_positive before not_affected. One without a time is
    older than any with one.
    """
    best: dict[tuple[str, str], Assessment] = {}
    for item in items:
        for ref in item.affects or ("",):
            known = best.get((item.id, ref))
            if known is None or _rank(item) > _rank(known):
                best[item.id, ref] = item
    parts: dict[Assessment, list[str]] = defaultdict(list)
    for (_, ref), item in sorted(best.items(), key=lambda pair: pair[0]):
        parts[replace(item, affects=())].extend([ref] if ref else [])
    merged = (replace(item, affects=tuple(refs)) for item, refs in parts.items())
    return tuple(sorted(merged, key=lambda item: (item.id, item.affects)))


def _rank(item: Assessment) -> tuple[int, int, str]:
    at = -1 if item.at is None else item.at
    # The text form breaks ties between two of one time and state, whatever their order.
    return at, -_WORST.index(item.state), repr(replace(item, affects=()))


def _same(one: ModelPart, two: ModelPart) -> ModelPart:
    """Return what both say of one model, if it is one."""
    both = {digest.algorithm for digest in one.hashes} & {d.algorithm for d in two.hashes}
    clash = any(
        not {d for d in one.hashes if d.algorithm == name} & set(two.hashes) for name in both
    )
    shared = any(digest in one.hashes for digest in two.hashes)
    named = (one.name, one.version) == (two.name, two.version)
    if clash or not (shared or named):
        raise _refuse(
            "the documents are about different models",
            "merge documents of one model",
            f"{one.name}@{one.version} and {two.name}@{two.version}",
        )
    if any(one.files.get(path, digest) != digest for path, digest in two.files.items()):
        raise _refuse("the documents name one file with two digests", "find out which is right")
    fields = ("description", "owner", "licence", "task", "family", "architecture", "approach",
              "index", "purl", "licence_name", "url")  # fmt: skip
    filled = {name: getattr(one, name) or getattr(two, name) for name in fields}
    return replace(
        one,
        hashes=tuple(dict.fromkeys([*one.hashes, *two.hashes])),
        files={**two.files, **one.files},
        metrics=tuple(dict.fromkeys([*one.metrics, *two.metrics])),
        considerations=one.considerations
        if one.considerations != type(one.considerations)()
        else two.considerations,
        **filled,
    )


def _refuse(problem: str, step: str, cause: str | None = None) -> SubjectError:
    return SubjectError(problem, cause=cause, next_step=step, slug="bom-merge")
