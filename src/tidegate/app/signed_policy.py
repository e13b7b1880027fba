"""Signatures over policies: who vouches for a bundle, and that its own tests passed.

The statement is an in-toto test result about the bundle's digest, which every gate statement names.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from tidegate.app.workspace import Workspace
from tidegate.core.attest.statement import Statement, Subject
from tidegate.core.attest.uris import TEST_RESULT
from tidegate.core.canonical import Json
from tidegate.core.clock import iso
from tidegate.core.policy.model import PolicyBundle
from tidegate.core.stage import Outcome
from tidegate.gates.runner import Receipt
from tidegate.graph.acts import revocations
from tidegate.interop.standard import Resource, build_test_result


@dataclass(frozen=True, slots=True)
class PolicySignature:
    """A principal's word for a bundle."""

    principal: str
    index: int
    time: int

    def to_json(self) -> dict[str, Json]:
        """Return all fields."""
        return {"principal": self.principal, "index": self.index, "time": iso(self.time)}


def sign(workspace: Workspace, bundle: PolicyBundle, passed: Sequence[str]) -> Receipt:
    """Sign that a bundle's tests passed, and append it.

    Raises:
        AccessError: The principal's key can't be used.
        StoreError: The log can't be written; then nothing was.
    """
    name = f"policy/{bundle.name}@{bundle.version}"
    predicate = build_test_result(
        outcome=Outcome.ALLOW,
        configuration=[Resource.of(name, bundle.digest)],
        passed=list(passed),
    )
    statement = Statement((Subject.of(name, bundle.digest),), TEST_RESULT, predicate)
    return workspace.notary.publish(statement, kind="attestation")


def signatures(workspace: Workspace, bundle: PolicyBundle) -> list[PolicySignature]:
    """Return who signed a bundle, by keys that were not revoked before."""
    revoked = {one.key_id: one.from_index for one in revocations(workspace.directives())}
    return [
        PolicySignature(row.principal, row.index, row.time)
        for row in workspace.projections.attestations_about(str(bundle.digest))
        if row.predicate_type == TEST_RESULT
        and not row.drill
        and row.index < revoked.get(row.key_id, row.index + 1)
    ]
