"""Let go of what is kept of old versions, and of nothing that anything live needs.

::

    plan = plan_pruning(workspace, keep=3, older_than=180 * DAY)
    prune(workspace, plan, reason="retention of half a year")

Entries and statements stay for ever: what goes are the documents that admission kept beside them
(bill of materials, signature, names of code, likeness, tensor manifest). Each erasure is a signed
act (:mod:`tidegate.app.erasure`), so that a question to the registry finds *erased*, not nothing.

Live is a version that a stage means or meant, so that it can be rolled back to; one that is held,
so that its weights are known when they come again; one that a live version was made from; the
newest of each name; and whatever is young.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from tidegate.app.erasure import check_erasable, erase
from tidegate.app.holdings import Holding, Holdings, NotKept
from tidegate.app.workspace import Workspace
from tidegate.core.clock import Micros
from tidegate.core.digest import Digest
from tidegate.core.errors import SubjectError, UsageError
from tidegate.core.policy.directive_state import DirectiveState
from tidegate.core.stage import Stage
from tidegate.gates.history import Query, newest_first

_ADMIT = "admit"


@dataclass(frozen=True, slots=True)
class Prunable:
    """A version of which nothing but the log need be kept."""

    digest: str
    versions: tuple[str, ...]
    documents: tuple[str, ...]
    """Digests of what goes."""


@dataclass(frozen=True, slots=True)
class Pruning:
    """What would go, and why the rest stays."""

    go: tuple[Prunable, ...]
    stay: tuple[tuple[str, str], ...]
    """Version, and why."""


def plan_pruning(workspace: Workspace, *, keep: int, older_than: Micros) -> Pruning:
    """Say what could go.

    Args:
        workspace: Whose registry.
        keep: How many of the newest versions of each name stay.
        older_than: How old a version must be to go, in microseconds.

    Raises:
        UsageError: ``keep`` is less than one: the newest version always stays.
        SubjectError: Of a version that stays, what it needs can't be told.
    """
    if keep < 1:
        raise UsageError(
            "the newest version of a model always stays",
            where=f"--keep {keep}",
            next_step="keep 1 or more",
            slug="keep",
        )
    holdings, state = Holdings.read(workspace), workspace.directives()
    why = dict(_live(holdings, state, keep=keep, before=workspace.clock.now() - older_than))
    needed = {
        document
        for model in holdings.models
        if model.digest in why
        for document in _documents(holdings, model)
    }
    go = [
        Prunable(model.digest, model.versions, documents)
        for model in holdings.models
        if model.digest not in why
        and (documents := tuple(sorted({*_documents(holdings, model)} - needed)))
    ]
    stay = [
        (", ".join(model.versions) or model.digest[:19], why[model.digest])
        for model in holdings.models
        if model.digest in why
    ]
    return Pruning(tuple(go), tuple(stay))


def prune(workspace: Workspace, plan: Pruning, reason: str) -> list[tuple[str, int]]:
    """Erase what a plan names; each erasure is logged before it is done.

    Returns:
        Digest of each document, and where its erasure was logged.

    Raises:
        AccessError: The principal is neither steward nor operator.
        StoreError: The store failed; what was logged so far is done, and the rest can be repeated.
    """
    documents = [document for one in plan.go for document in one.documents]
    for document in documents:  # before anything goes: none of them may be refused half-way
        check_erasable(workspace, Digest.parse(document))
    return [
        (document, erase(workspace, Digest.parse(document), reason)[0].index)
        for document in documents
    ]


def _live(
    holdings: Holdings, state: DirectiveState, *, keep: int, before: int
) -> Iterator[tuple[str, str]]:
    """Yield what stays, and why; what is under it after it."""
    found: dict[str, str] = {}
    newest = _newest(state, keep)
    for model in holdings.models:
        times = [state.aliases[name][-1].act.time for name in model.versions]
        if model.held:
            found[model.digest] = model.held
        elif model.stages:
            found[model.digest] = f"{model.stages[0]} means it"
        elif model.left:
            found[model.digest] = f"{model.left[0]} can be rolled back to it"
        elif model.digest in newest:
            found[model.digest] = f"one of the newest {keep}"
        elif not times or max(times) > before:
            found[model.digest] = "it is young" if times else "no version names it"
    under = {
        digest: f"{(model.versions or (model.digest[:19],))[0]} was made from it"
        for model in holdings.models
        if model.digest in found
        for digest in holdings.chain(model).nodes
    }
    yield from {**under, **found}.items()


def _newest(state: DirectiveState, keep: int) -> set[str]:
    """Return the digests of the newest versions of each name."""
    names: dict[str, list[tuple[int, str]]] = {}
    for alias, history in state.aliases.items():
        name, version, _ = alias.partition("@")
        if version:
            names.setdefault(name, []).append((history[-1].act.index, history[-1].digest))
    return {digest for found in names.values() for _, digest in sorted(found)[-keep:]}


def _documents(holdings: Holdings, model: Holding) -> Iterator[str]:
    """Yield the documents of all admissions of a model that are still here.

    Raises:
        SubjectError: Its admission does not verify, so that what it needs can't be told.
    """
    query = Query({Stage.REGISTRY}, _ADMIT, outcome=None)
    spoken = list(newest_first(holdings.chains, model.digest, query))
    if not spoken:
        raise SubjectError(
            "what a registered model needs can't be told",
            where=", ".join(model.versions) or model.digest,
            cause="no admission of it verifies",
            next_step=f"see `tidegate verify {model.digest}`; nothing was erased",
            slug="unknown-needs",
        )
    named: list[object] = []
    for one in spoken:
        named += [one.gate.parameters.get(name) for name in ("bom", "signature", "spdx")]
        for check in one.gate.checks:
            facts = check.get("facts")
            if isinstance(facts, dict):
                named += [facts.get("names"), facts.get("likeness")]
    try:
        likeness = holdings.likeness(model)
        named.append(str(likeness.tensors.manifest) if likeness.tensors else None)
    except NotKept:
        pass  # gone already, and its manifest with it
    blobs = holdings.workspace.blobs
    for text in named:
        if isinstance(text, str) and blobs.has(Digest.parse(text)):
            yield text
