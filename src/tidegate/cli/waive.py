"""``tidegate waive``: a signed exception that expires and needs a second person."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Annotated

from cyclopts import App

from tidegate.app.names import find_artifact
from tidegate.cli import acts, output, session
from tidegate.cli.options import FLAT, Acting, Reading, Reason
from tidegate.config import duration
from tidegate.core.clock import DAY, iso
from tidegate.core.errors import UsageError
from tidegate.core.policy.directives import RetractWaiver, Waive
from tidegate.core.policy.waiver import MAX_DAYS
from tidegate.govern.controls import controls

app = App(name="waive", help="Sign an exception that expires.")


@app.command
def grant(
    control: str,
    /,
    *,
    reason: Reason,
    owner: str,
    rule: str = "*",
    scope: str = "*",
    expires_in: str = "7d",
    acting: Annotated[Acting, FLAT] = Acting(),
) -> int:
    """Grant an exception from a control; it holds once a second person approves it.

    JSON: `act`, `index`, `envelope`, `dryRun`; `waiver`, its id, null on a dry run.

    Args:
        control: Such as TG-REG-04.
        reason: Why it is needed.
        owner: Who answers for the risk.
        rule: One rule of the control; any where absent.
        scope: An artifact (path, digest, name); any where absent.
        expires_in: How long it holds, 30 days at most: 7d, 12h.
        acting: Who signs, and how the answer is shown.
    """
    term = _term(expires_in)
    workspace = session.acting(acting)
    _check_control(control, {rule.control for rule in workspace.policy.rules})
    subject = scope if scope == "*" else find_artifact(workspace, scope)
    expires = workspace.clock.now() + term
    act = Waive(
        control=control, rule=rule, scope=subject, owner=owner, reason=reason, expires=expires
    )
    receipt = acts.append(workspace, act, acting)
    waiver = None if receipt is None else f"waiver-{receipt.index}"
    step = f"somebody else: tidegate approve {waiver} --for waive --reason WHY"
    parts: list[output.Part] = [] if waiver is None else [[("waiver", waiver), ("next", step)]]
    return acts.tell(acting, act, receipt, {"waiver": waiver}, *parts)


@app.command
def retract(waiver: str, /, *, reason: Reason, acting: Annotated[Acting, FLAT] = Acting()) -> int:
    """End a waiver before it expires.

    JSON: `act`, `index`, `envelope`, `dryRun`.

    Args:
        waiver: Its id: waiver-INDEX.
        reason: Why.
        acting: Who signs, and how the answer is shown.
    """
    workspace = session.acting(acting)
    act = RetractWaiver(waiver=waiver, reason=reason)
    return acts.perform(workspace, act, acting)


@app.command(name="list")
def list_(*, reading: Annotated[Reading, FLAT] = Reading()) -> int:
    """List the waivers of the log, and whether they hold.

    JSON: `waivers` (`waiver`, `control`, `rule`, `scope`, `owner`, `expires`, `state`, `holds`).

    Args:
        reading: Where the workspace is, and how the answer is shown.
    """
    workspace = session.reading(reading)
    now = workspace.clock.now()
    rows = [
        {
            "waiver": waiver.id,
            "control": waiver.control,
            "rule": waiver.rule,
            "scope": waiver.scope,
            "owner": waiver.owner,
            "expires": iso(waiver.expires),
            "state": (fault := waiver.fault(producer="", now=now)) or "holds",
            "holds": not fault,
        }
        for waiver in workspace.directives().waivers.values()
    ]
    shown = ("waiver", "control", "rule", "scope", "owner", "expires", "state")
    short = {"scope": 19, "expires": 16}
    table = [[str(row[name])[: short.get(name)] for name in shown] for row in rows]
    output.emit(reading, {"waivers": rows}, output.Table(shown, table, "no waivers"))
    return 0


def _check_control(control: str, in_policy: Iterable[str]) -> None:
    known = {*controls(), *in_policy}
    if control not in known:
        close = get_close_matches(control, sorted(known), n=1)
        raise UsageError(
            "there is no such control",
            where=control[:100],
            next_step=f"did you mean {close[0]}?" if close else "see `tidegate explain`",
            slug="unknown-control",
        )


def _term(text: str) -> int:
    """Read how long a waiver holds, in microseconds; what would never hold is refused here."""
    try:
        term = duration(text)
    except ValueError as error:
        raise UsageError(
            "not a duration",
            where="--expires-in",
            cause=str(error),
            next_step="write it with a unit: 12h, 7d",
            slug="bad-duration",
        ) from None
    if not 0 < term <= MAX_DAYS * DAY:
        raise UsageError(
            f"a waiver holds for {MAX_DAYS} days at most",
            where=f"--expires-in {text[:40]}",
            next_step="take a shorter time, and grant it anew when it ends",
            slug="waiver-term",
        )
    return term
