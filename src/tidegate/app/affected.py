"""What hangs on a key: asked before it is revoked, or after, with the same answer.

Everything is judged twice: as if the key had never been revoked, and as if it were revoked from an
index on. What holds only the first time is lost: statements, the artifacts that they are about, and
the names (versions and stages) whose evidence, approvals, meaning or signature rest on them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from tidegate.app.holdings import Holding, Holdings, NotKept
from tidegate.app.keyring import find_key
from tidegate.app.logbook import LogLine, read_log, signed_by
from tidegate.app.workspace import Workspace
from tidegate.core.identity.trust import Revocation, TrustedKey
from tidegate.core.policy.directive_state import DirectiveState
from tidegate.core.stage import Outcome
from tidegate.gates.chain import Chain, ChainReader
from tidegate.graph.acts import fold
from tidegate.interop.bundle import KeyHint

_REVOKING = frozenset({"revoke-key", "reinstate-key"})


@dataclass(frozen=True, slots=True)
class LostName:
    """A version or a stage that loses a part of its proof."""

    name: str
    digest: str
    """What it means while the key counts."""
    lost: tuple[str, ...]
    """What no longer counts: ``train of credit.npy, log 12``."""


@dataclass(frozen=True, slots=True)
class Affected:
    """What no longer counts once a key is revoked."""

    key: TrustedKey
    from_index: int
    revoked_from: int | None
    """From where on it is revoked already; ``None`` where it is not."""
    statements: tuple[LogLine, ...]
    artifacts: tuple[tuple[str, str, tuple[int, ...]], ...]
    """Digest, name, and log indices of what the key said of it."""
    names: tuple[LostName, ...]


def affected(workspace: Workspace, key: str, from_index: int | None = None) -> Affected:
    """Say what no longer counts once a key is revoked.

    Args:
        workspace: Where.
        key: A key id, its first digits, or a principal with one key.
        from_index: First entry that would no longer count; without it, that of the revocation in
            force, else 0.

    Raises:
        UsageError: No key is called so, or several are.
        TidegateError: The log can't be verified.
    """
    trusted = find_key(workspace.trust, key)
    key_id = trusted.key.key_id
    revoked = workspace.directives().revoked_keys.get(key_id)
    start = from_index if from_index is not None else (revoked.from_index if revoked else 0)
    said = tuple(
        line
        for index in signed_by(workspace, key_id, start)
        for line in read_log(workspace, index, 1)
    )
    comparison = _Comparison(workspace, trusted, start)
    return Affected(
        trusted,
        start,
        None if revoked is None else revoked.from_index,
        said,
        tuple(_artifacts(workspace, said)),
        tuple(comparison.names()),
    )


class _Comparison:
    """The registry's names with the key, and without it."""

    def __init__(self, workspace: Workspace, key: TrustedKey, start: int) -> None:
        self._key, self._start = key, start
        taken = Revocation(key.key.key_id, start, "")
        rows = [
            row
            for row in workspace.directive_rows()
            if not (row.kind in _REVOKING and row.target == key.key.key_id)
        ]
        self._with: DirectiveState = fold(rows, workspace.trust)
        self._without: DirectiveState = fold(rows, workspace.trust, also=(taken,))
        reader = workspace.chains()
        judge = reader.verification
        others = tuple(one for one in judge.revocations if one.key_id != taken.key_id)
        self._held = replace(reader, verification=replace(judge, revocations=others))
        gone = replace(judge, revocations=(*others, taken))
        self._left = replace(reader, verification=gone)
        self._holdings = replace(Holdings.read(workspace), chains=self._held)
        self._chains: dict[str, tuple[str, ...]] = {}

    def names(self) -> Iterator[LostName]:
        """Yield the names that lose something."""
        for name, history in sorted(self._with.aliases.items()):
            digest = history[-1].digest
            lost = (*self._meaning(name, digest), *self._approvals(name, digest))
            if digest not in self._chains:
                self._chains[digest] = (*self._links(digest), *self._signature(digest))
            if lost := (*lost, *self._chains[digest]):
                yield LostName(name, digest, lost)

    def _meaning(self, name: str, digest: str) -> Iterator[str]:
        act = self._with.aliases[name][-1].act
        now = self._without.resolve(name)
        if now != digest:
            instead = "nothing" if now is None else now[:19]
            yield f"the name, which {act.principal} set, log {act.index}: it means {instead}"

    def _approvals(self, name: str, digest: str) -> Iterator[str]:
        for (subject, action), approvals in sorted(self._with.approvals.items()):
            if subject in {name, digest}:
                left = self._without.approvals.get((subject, action), {})
                for principal in sorted(approvals.keys() - left.keys()):
                    index = approvals[principal].index
                    yield f"the approval of {principal} for {action}, log {index}"

    def _links(self, digest: str) -> Iterator[str]:
        held, left = _allowed(self._held, digest), _allowed(self._left, digest)
        for place in sorted(held.keys() - left.keys()):
            yield f"{held[place]}, log {place[1]}"

    def _signature(self, digest: str) -> Iterator[str]:
        """Yield the signature over the files, by when the log first named it."""
        model = Holding(digest, (), (), (), "")
        try:
            admitted = self._holdings.admission(model).index
            material = self._holdings.signature(model).material
        except NotKept:
            return
        ours = isinstance(material, KeyHint) and material.hint == self._key.key.hint
        if ours and admitted >= self._start:
            yield f"the signature over its files, log {admitted}"


def _allowed(reader: ChainReader, digest: str) -> dict[tuple[str, int], str]:
    """Return what allowed something under an artifact: digest and index to what it says."""
    chain: Chain = reader.read([digest])
    return {
        (link.digest, link.verified.index): (
            f"{link.stage.value} of {chain.names.get(link.digest, link.digest[:19])}"
        )
        for link in chain.links
        if link.gate.outcome is Outcome.ALLOW
    }


def _artifacts(
    workspace: Workspace, said: tuple[LogLine, ...]
) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    about: dict[str, list[int]] = {}
    for line in said:
        if line.kind == "attestation":
            for digest in line.subjects:
                about.setdefault(digest, []).append(line.index)
    for digest, indices in about.items():
        row = workspace.projections.artifact(digest)
        yield digest, "" if row is None else row.name, tuple(indices)
