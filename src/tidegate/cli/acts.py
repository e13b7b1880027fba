"""The acts of people: a directive signed and appended, and the one answer that tells of it."""

from collections.abc import Mapping

from tidegate.app.effect import check_effect
from tidegate.app.workspace import Workspace
from tidegate.cli import output
from tidegate.cli.options import Acting
from tidegate.core.canonical import Json
from tidegate.core.clock import iso
from tidegate.core.policy.directives import Directive
from tidegate.gates.runner import Receipt


def perform(workspace: Workspace, act: Directive, acting: Acting, *parts: output.Part) -> int:
    """Append an act and tell where it stands; on a dry run only say what it is.

    Args:
        workspace: Where.
        act: What is signed.
        acting: How.
        parts: What else people read.

    Raises:
        UsageError: It would have no effect.
    """
    return tell(acting, act, append(workspace, act, acting), None, *parts)


def append(workspace: Workspace, act: Directive, acting: Acting) -> Receipt | None:
    """Sign an act and append it; on a dry run only check it, and return ``None``.

    Raises:
        UsageError: It would have no effect.
    """
    check_effect(workspace, act)
    return None if acting.dry_run else workspace.act(act)


def tell(
    acting: Acting,
    act: Directive,
    receipt: Receipt | None,
    facts: Mapping[str, Json] | None = None,
    *parts: output.Part,
) -> int:
    """Tell of an act, and of what a command knows besides.

    Args:
        acting: How.
        act: What was signed.
        receipt: Its entry; none on a dry run.
        facts: What else a program reads.
        parts: What else people read.
    """
    said = act.to_json()
    stands = {
        "act": said,
        "index": None if receipt is None else receipt.index,
        "envelope": None if receipt is None else receipt.envelope,
        "dryRun": receipt is None,
    }
    if receipt is None:
        shown = [(name, _text(name, value)) for name, value in said.items() if name != "version"]
        output.emit(acting, {**stands, **(facts or {})}, shown, *parts)
        output.notice("dry run: nothing was signed or appended")
        return 0
    line = (act.kind, f"log {receipt.index}, envelope {receipt.envelope}")
    output.emit(acting, {**stands, **(facts or {})}, [line], *parts)
    return 0


def _text(name: str, value: Json) -> str:
    return iso(value) if name == "expires" else str(value)
