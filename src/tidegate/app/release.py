"""Releases and recalls: what a workspace hands to the clusters that serve its models."""

from pathlib import Path

from tidegate.app.workspace import TOOL, Workspace
from tidegate.core.attest.statement import Statement, Subject
from tidegate.core.attest.uris import VERIFICATION_SUMMARY
from tidegate.core.decision import Decision
from tidegate.core.digest import Digest
from tidegate.core.errors import UsageError
from tidegate.core.stage import Outcome, Stage
from tidegate.gates.runner import Receipt
from tidegate.graph.acts import revocations
from tidegate.graph.lineage import taint
from tidegate.interop.proved import Proved
from tidegate.interop.release import VERIFIERS, Recalls
from tidegate.interop.standard import build_verification_summary
from tidegate.logbook.durable import replace_file


def publish_summary(
    workspace: Workspace, decision: Decision, alias: str, *, resource: str | None = None
) -> Receipt:
    """Sign a verification summary of a decision, and log it.

    Undecided is FAILED there: a reader of summaries knows two outcomes.

    Args:
        workspace: Where the decision was made, and who signs.
        decision: Of the registry's promotion, or of a deployment check.
        alias: ``credit-model/prod``.
        resource: The URI that the consumer uses: ``s3://models/credit``; by default, a name
            made of the alias.

    Raises:
        UsageError: The decision was a dry run: nothing in the log says it.
    """
    if decision.index is None:
        raise UsageError(
            "a check that was not logged has no summary",
            where=alias,
            next_step="run it without --dry-run",
            slug="not-logged",
        )
    subject = decision.subjects[0]
    predicate = build_verification_summary(
        verifier=VERIFIERS[Stage(decision.stage)],
        time=workspace.clock.now(),
        resource=resource or f"urn:tidegate:deployment:{alias}",
        policy_uri=f"urn:tidegate:policy:{workspace.policy.name}@{workspace.policy.version}",
        policy=workspace.policy.digest,
        outcome=decision.outcome,
        levels=("TIDEGATE_FULL_CHAIN",) if decision.outcome is Outcome.ALLOW else (),
        versions={TOOL.name: TOOL.version},
        inputs=[(f"urn:tidegate:log:{decision.index}", Digest.parse(decision.envelope))]
        if decision.envelope
        else [],
    )
    statement = Statement(
        (Subject.of(alias, Digest.parse(subject.digest)),), VERIFICATION_SUMMARY, predicate
    )
    return workspace.notary.publish(statement, kind="attestation")


def recalls(workspace: Workspace) -> Recalls:
    """Return what is quarantined or revoked, with all that derives from it, and revoked keys."""
    state = workspace.directives()
    held = {*state.quarantined, *state.revoked}
    derived = {digest for one in held for digest in taint(workspace.projections, one).digests}
    return Recalls(frozenset(held | derived), revocations(state))


def publish_recalls(workspace: Workspace) -> Receipt:
    """Sign the recalls, and log them.

    Raises:
        AccessError: The principal may not sign for the serve gate.
    """
    workspace.notary.authorise(Stage.SERVE)
    statement = recalls(workspace).to_statement(workspace.id, now=workspace.clock.now())
    return workspace.notary.publish(statement, kind="attestation")


def proved(workspace: Workspace, index: int) -> Proved:
    """Return a logged statement with its proof in the present signed head.

    Raises:
        UsageError: There is no statement at this index.
    """
    reader = workspace.chains()
    logged = reader.statements.logged(index)
    if logged is None:
        raise UsageError("no statement is logged here", where=f"log {index}", slug="no-statement")
    return Proved.of(logged, reader.verification.head.note, workspace.trust)


def write_proved(workspace: Workspace, index: int, target: Path) -> Proved:
    """Write a logged statement with its proof to a file, whole or not at all.

    Raises:
        StoreError: It can't be written.
    """
    found = proved(workspace, index)
    replace_file(target, found.to_bytes())
    return found
