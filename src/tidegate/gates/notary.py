"""Attest and append: a decision becomes a signed statement, and the statement an entry.

It fails closed: a principal whose role may not sign for the stage is refused before anything is
signed, and a decision that could not be appended was not made.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tidegate.core.attest import envelope as dsse
from tidegate.core.attest.gate import (
    Actor,
    EvidenceRef,
    GatePredicate,
    GateRef,
    Material,
    PolicyRef,
    Tool,
)
from tidegate.core.attest.statement import Statement, Subject
from tidegate.core.attest.uris import PAYLOAD_TYPE
from tidegate.core.canonical import Json, dumps
from tidegate.core.clock import Clock
from tidegate.core.decision import Decision
from tidegate.core.digest import Digest, sha256
from tidegate.core.errors import AccessError
from tidegate.core.identity.roles import SIGNERS, Role
from tidegate.core.identity.signer import Signer
from tidegate.core.ledger.entry import Entry
from tidegate.core.ledger.log import PendingEntry
from tidegate.core.policy.model import PolicyBundle
from tidegate.core.stage import Stage
from tidegate.gates.contract import Artifact, GateRequest
from tidegate.gates.runner import Gathered, Receipt


class Appender(Protocol):
    """Appends to the workspace's log."""

    def append(self, item: PendingEntry) -> int:
        """Return the index; the entry is durable then.

        Raises:
            StoreError: It could not be written; then nothing was.
        """
        ...


@dataclass(frozen=True, slots=True)
class Principal:
    """Who acts: a name, the roles that the trust root gives, and the key."""

    name: str
    roles: frozenset[Role]
    signer: Signer
    origin: str = ""
    """What signs, where the key is kept elsewhere: its scheme; of a plug-in, its digest too."""

    @property
    def key_id(self) -> str:
        """The key's id."""
        return self.signer.verifier.key_id


@dataclass(frozen=True, slots=True)
class WorkspaceNotary:
    """Signs as one principal and appends to one log."""

    workspace: str
    principal: Principal
    policy: PolicyBundle
    log: Appender
    clock: Clock
    tool: Tool

    def attest(
        self,
        request: GateRequest,
        draft: Decision,
        gathered: Gathered,
        byproducts: Sequence[Artifact],
    ) -> Receipt:
        """Sign the gate statement and append it."""
        self.authorise(request.stage)
        predicate = self._predicate(request, draft, gathered, byproducts)
        subjects = tuple(
            Subject.of(artifact.name, artifact.digest, artifact.also)
            for artifact in request.subjects
        )
        return self.publish(
            predicate.statement(subjects), kind="drill" if request.order.drill else "attestation"
        )

    def authorise(self, stage: Stage) -> None:
        """Check that the principal's role may sign for a stage.

        Raises:
            AccessError: It may not.
        """
        wanted = SIGNERS[stage]
        if not self.principal.roles & wanted:
            raise AccessError(
                f"{self.principal.name} may not sign for the {stage.value} gate",
                where=f"roles: {', '.join(sorted(self.principal.roles)) or 'none'}",
                next_step=f"act as a principal with the role {' or '.join(sorted(wanted))} "
                "(`--as`), or have the trust root changed",
                slug="role",
            )

    def publish(self, statement: Statement, *, kind: str) -> Receipt:
        """Sign a statement and append it.

        Raises:
            AccessError: The key can't be used.
            StoreError: The log can't be written; then nothing was.
        """
        envelope = dsse.sign(statement.to_bytes(), PAYLOAD_TYPE, [self.principal.signer])
        body = dumps(envelope.to_json())
        digest = str(sha256(body))
        entry = Entry(
            kind=kind,
            workspace=self.workspace,
            actor=self.principal.name,
            key_id=self.principal.key_id,
            tool=f"{self.tool.name} {self.tool.version}",
            subjects=tuple(
                f"sha256:{subject.digests['sha256']}"
                for subject in statement.subjects
                if "sha256" in subject.digests
            ),
            envelope=digest,
            predicate_type=statement.predicate_type,
        )
        return Receipt(self.log.append(PendingEntry(entry, body)), digest)

    def _predicate(
        self,
        request: GateRequest,
        draft: Decision,
        gathered: Gathered,
        byproducts: Sequence[Artifact],
    ) -> GatePredicate:
        order = request.order
        mode = "shadow" if order.dry_run else "enforce"
        return GatePredicate(
            gate=GateRef(request.stage, order.action),
            outcome=draft.outcome,
            actor=Actor(self.principal.name, self.principal.roles, self.principal.key_id),
            tool=self.tool,
            time=self.clock.now(),
            environment=order.environment,
            policy=PolicyRef(self.policy.name, self.policy.version, self.policy.digest, mode),
            coverage=draft.coverage.to_json(),
            rules=tuple(rule.to_json() for rule in draft.rules),
            checks=tuple(check.to_json() for check in draft.checks),
            materials=tuple(map(_material, request.materials)),
            evidence=tuple(
                EvidenceRef(Stage(item.stage), item.index, Digest.parse(item.envelope))
                for item in gathered.evidence
            ),
            assurance={
                "keySealed": self.principal.signer.sealed,
                **({"signer": self.principal.origin} if self.principal.origin else {}),
                **order.assurance,
            },
            parameters=dict(order.parameters),
            annotations={artifact.name: _facts(artifact) for artifact in request.subjects},
            byproducts=tuple(map(_material, byproducts)),
            drill=order.drill,
        )


def _material(artifact: Artifact) -> Material:
    return Material(artifact.name, artifact.kind, artifact.digest)


def _facts(artifact: Artifact) -> Mapping[str, Json]:
    return {**artifact.annotations, "kind": artifact.kind}
