"""``tidegate registry who-uses`` and ``show``: questions to the registry."""

from collections.abc import Iterator
from typing import Annotated

from tidegate.app.question import Kind
from tidegate.app.shown_models import ModelRecord, model_record
from tidegate.app.who_uses import Answered
from tidegate.app.who_uses import who_uses as find_users
from tidegate.cli import output, session
from tidegate.cli.options import FLAT, Flag, Reading
from tidegate.core.canonical import Json
from tidegate.core.clock import iso
from tidegate.core.stage import Outcome


def who_uses(
    thing: str,
    /,
    *,
    kind: Kind | None = None,
    exit_code: Flag = False,
    reading: Annotated[Reading, FLAT] = Reading(),
) -> int:
    """Say which registered models use a function, class, package, base model, data set or key.

    It is answered from the log and from what was kept at each admission; no model file is needed.
    Exits with 4 where it can't be told of some model, unless one is known to use it.

    JSON: `thing`; `kinds`, what it was taken for; `asked`, how many models; `users` (`digest`,
    `names`, `formerly`, `state`, `ways`, `gaps`); `doubtful` (`digest`, `names`, `formerly`,
    `state`, `ways`, `gaps`), of which it can't be told.

    Args:
        thing: module.name, sha256:…, NAME@VERSION, a file, a key id or its principal, a data set's
            name, or a package with or without versions, such as 'torch<2.6'.
        kind: What it is; all that it can be without it.
        exit_code: Exit with 1 where a model uses it.
        reading: Where the workspace is, and how the answer is shown.
    """
    found = find_users(session.reading(reading), thing, kind)
    kinds = [each.value for each in found.question.kinds]
    facts: dict[str, Json] = {
        "thing": thing,
        "kinds": kinds,
        "asked": found.asked,
        "users": [_model(one) for one in found.models],
        "doubtful": [_model(one) for one in found.unknown],
    }
    rows = [
        (
            _called(one),
            ", ".join(one.holding.stages),
            use.how,
            "" if use.index is None else use.index,
        )
        for one in found.models
        for use in one.uses
    ]
    nothing = f"none of {found.asked} models is known to use it (asked as {', '.join(kinds)})"
    unknown = [("doubtful", f"{_called(one)}: {'; '.join(one.gaps)}") for one in found.unknown]
    table = output.Table(("model", "stages", "how", "log"), rows, nothing)
    output.emit(reading, facts, table, unknown)
    if found.models:
        return Outcome.DENY.exit_code if exit_code else 0
    return Outcome.UNDECIDED.exit_code if found.unknown else 0


def _called(one: Answered) -> str:
    held = f" ({one.holding.held})" if one.holding.held else ""
    return (", ".join(one.holding.versions) or one.holding.digest[:19]) + held


def _model(one: Answered) -> dict[str, Json]:
    return {
        "digest": one.holding.digest,
        "names": [*one.holding.versions, *one.holding.stages],
        "formerly": list(one.holding.left),
        "state": one.holding.held or "free",
        "ways": [use.to_json() for use in one.uses],
        "gaps": list(one.gaps),
    }


def show(
    model: str,
    /,
    *,
    reading: Annotated[Reading, FLAT] = Reading(),
) -> int:
    """Show a model's versions and stages: who, when, from what, and what stands behind each.

    JSON: `name`; `admitted` (`name`, `digest`, `principal`, `time`, `index`, `state`, `reason`,
    `stages`, `made`, `scan`, `parts`, `signature`); `stages` (`name`, `digest`, `history`,
    `targets`).

    Args:
        model: NAME, or NAME@VERSION.
        reading: Where the workspace is, and how the answer is shown.
    """
    record = model_record(session.reading(reading), model)
    facts: dict[str, Json] = {
        "name": record.name,
        "admitted": [one.to_json() for one in record.versions],
        "stages": [one.to_json() for one in record.stages],
    }
    output.emit(reading, facts, *_shown(record))
    return 0


def _shown(record: ModelRecord) -> Iterator[output.Part]:
    for one in record.versions:
        act = one.named.act
        index = "no admission verifies" if one.admitted is None else f"log {one.admitted}"
        yield [
            ("version", one.name),
            ("digest", one.digest),
            ("admitted", f"{iso(act.time)[:19]} by {act.principal}, {index}"),
            ("state", f"{one.state}: {one.reason}" if one.reason else one.state),
            ("stages", ", ".join(one.stages) or "none"),
            ("made from", "; ".join(one.made) or "nothing that a gate signed"),
            ("scan", one.scan),
            ("parts", one.bom),
            ("signed", one.signature),
        ]
        yield ""
    rows = [
        (stage.name, move.to, iso(move.named.act.time)[:19], move.named.act.principal,
         move.named.act.index, move.named.act.reason)
        for stage in record.stages
        for move in stage.moves
    ]  # fmt: skip
    headers = ("stage", "meant", "since", "by", "log", "why")
    yield output.Table(headers, rows, "no stage of this name")
    for stage in record.stages:
        back = ", ".join(stage.targets) or "no earlier version that is free"
        yield f"{stage.name} can be rolled back to: {back}"
