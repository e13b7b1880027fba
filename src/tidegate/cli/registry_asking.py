"""``tidegate registry who-uses`` and ``show``: questions to the registry."""

from typing import Annotated

from tidegate.app.question import Kind
from tidegate.app.who_uses import Answered
from tidegate.app.who_uses import who_uses as find_users
from tidegate.cli import output, session
from tidegate.cli.options import FLAT, Flag, Reading
from tidegate.core.canonical import Json
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
