"""``tidegate serve check``, ``recalls`` and ``drain``: what a workspace says of its deployments."""

from pathlib import Path
from typing import Annotated

from tidegate.app.events import drain as drain_spool
from tidegate.app.release import publish_recalls, publish_summary, write_proved
from tidegate.app.serve import Deployment, check_deployment
from tidegate.cli import output, session
from tidegate.cli.options import FLAT, Acting, Flag, Gating
from tidegate.core.clock import SystemClock
from tidegate.core.errors import UsageError
from tidegate.interop.release import read_recalls


def check(
    path: Path,
    /,
    *,
    deployed_as: str,
    signature: Path | None = None,
    release: Path | None = None,
    resource: str | None = None,
    options: Annotated[Gating, FLAT] = Gating(),
) -> int:
    """Verify that a deployment's bytes are what was promoted, and that its whole chain holds.

    Args:
        path: The deployed model.
        deployed_as: Its name: NAME/STAGE.
        signature: Its signature; beside the model by default.
        release: Write the verdict with its proof here, for the gateway and the admission webhook.
        resource: The URI that its consumer uses, such as s3://models/credit; for --release.
        options: Who acts, and how the result is shown.
    """
    workspace = session.acting(options)
    deployment = Deployment(path, deployed_as, signature, dry_run=options.dry_run)
    decision = check_deployment(workspace, deployment)
    if release is not None and not options.dry_run:
        receipt = publish_summary(workspace, decision, deployed_as, resource=resource)
        write_proved(workspace, receipt.index, release)
    return output.emit_decision(decision, options)


def recalls(file: Path, /, *, acting: Annotated[Acting, FLAT] = Acting()) -> int:
    """Write what is quarantined and revoked, signed and logged, for webhooks that can't ask.

    JSON: `index`, `digests`, `keys` (`keyId`, `fromIndex`), `file`; `dryRun`.

    Args:
        file: Where to write it: the webhook's folder of releases.
        acting: Who signs, and how the answer is shown.
    """
    from tidegate.app.release import recalls as present  # noqa: PLC0415 - this command's name

    workspace = session.acting(acting)
    found = present(workspace)
    index = None
    if not acting.dry_run:
        receipt = publish_recalls(workspace)
        proved = write_proved(workspace, receipt.index, file)
        found = read_recalls(proved, workspace.trust, now=SystemClock().now())
        index = receipt.index
    facts = {
        "index": index,
        "digests": sorted(found.digests),
        "keys": [{"keyId": one.key_id, "fromIndex": one.from_index} for one in found.revocations],
        "file": str(file),
        "dryRun": acting.dry_run,
    }
    rows = [
        ("artifacts", str(len(found.digests))),
        ("keys", str(len(found.revocations))),
        ("log", "not appended: dry run" if index is None else f"{index}, {file}"),
    ]
    output.emit(acting, facts, rows)
    return 0


def drain(
    spool: Path, /, *, prune: Flag = False, acting: Annotated[Acting, FLAT] = Acting()
) -> int:
    """Sign and log what a gateway or a webhook wrote down since the last time.

    Exits with 5 where events are missing or were changed; that is logged, too.

    JSON: `events`, `counts`, `gaps`, how many; `breakGlass`, `index`, `dropped`.

    Args:
        spool: The folder that --spool named.
        prune: Remove what was drained whole.
        acting: Who signs, and how the answer is shown.
    """
    if acting.dry_run:
        raise UsageError(
            "a drain has no dry run",
            where="--dry-run",
            next_step="look with `tidegate serve gateway events SPOOL`",
            slug="arguments",
        )
    done = drain_spool(session.acting(acting), spool, prune=prune)
    facts = {
        "events": done.events,
        "counts": done.counts,
        "gaps": done.gaps,
        "breakGlass": done.glass,
        "index": done.index,
        "dropped": done.dropped,
    }
    rows = [
        ("events", str(done.events)),
        ("gaps", str(done.gaps)),
        ("broken glass", str(done.glass)),
        ("log", "nothing new" if done.index is None else str(done.index)),
    ]
    table = output.Table(("event", "count"), list(done.counts.items()), "nothing new")
    output.emit(acting, facts, table, rows)
    return 5 if done.gaps else 0
