"""Signatures over policies: who vouches for a bundle, and that its own tests passed.

The statement is an in-toto test result about the bundle's digest, which every gate statement names.
"""

from collections.abc import Sequence

from tidegate.app.vouched import PREFIX, SIGNERS, PolicySignature
from tidegate.app.workspace import Workspace
from tidegate.core.attest.statement import Statement, Subject
from tidegate.core.attest.uris import TEST_RESULT
from tidegate.core.errors import AccessError
from tidegate.core.policy.model import PolicyBundle
from tidegate.core.stage import Outcome
from tidegate.gates.runner import Receipt
from tidegate.interop.standard import Resource, build_test_result


def sign(workspace: Workspace, bundle: PolicyBundle, passed: Sequence[str]) -> Receipt:
    """Sign that a bundle's tests passed, and append it.

    Raises:
        AccessError: The principal's key can't be used, or its role does not allow it.
        StoreError: The log can't be written; then nothing was.
    """
    if not workspace.principal.roles & SIGNERS:
        raise AccessError(
            f"{workspace.principal.name} may not put a policy in force",
            where=f"roles: {', '.join(sorted(workspace.principal.roles)) or 'none'}",
            next_step=f"act as a principal with the role {' or '.join(sorted(SIGNERS))} (--as)",
            slug="role",
        )
    name = f"{PREFIX}{bundle.name}@{bundle.version}"
    predicate = build_test_result(
        outcome=Outcome.ALLOW,
        configuration=[Resource.of(name, bundle.digest)],
        passed=list(passed),
    )
    # What it follows makes it unlike any other: one that is appended again is a replay.
    after = {"after": workspace.ledger.size()}
    statement = Statement((Subject.of(name, bundle.digest),), TEST_RESULT, predicate, after)
    return workspace.notary.publish(statement, kind="attestation")


def signatures(workspace: Workspace, bundle: PolicyBundle) -> list[PolicySignature]:
    """Return who signed a bundle, of those whose signature counts."""
    return [one for one in workspace.policy_signatures() if one.digest == str(bundle.digest)]
