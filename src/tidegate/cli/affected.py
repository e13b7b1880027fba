"""``tidegate trust affected``: what no longer counts once a key is revoked."""

from typing import Annotated

from cyclopts import Parameter

from tidegate.app import affected as asking
from tidegate.cli import output, session
from tidegate.cli.options import FLAT, Reading

_SHOWN = 3


def affected(
    key: str,
    /,
    *,
    from_index: Annotated[int | None, Parameter(name="--from")] = None,
    reading: Annotated[Reading, FLAT] = Reading(),
) -> int:
    """Say which statements, artifacts and names hang on a key, before or after it is revoked.

    Nothing is signed or changed. A name, NAME@VERSION or NAME/STAGE, is listed with each part of
    its proof that is lost; a stage is what is deployed.

    JSON: `keyId`, `principal`, `from`, `revokedFrom`, where it is revoked already, or null;
    `statements` (`index`, `kind`, `time`, `actor`, `says`, `state`, `subjects`, `envelope`);
    `artifacts` (`digest`, `name`, `entries`); `names` (`name`, `digest`, `lost`).

    Args:
        key: A key id, its first digits, or a principal with one key.
        from_index: First entry that no longer counts; by default that of the revocation in force,
            else 0.
        reading: Where the workspace is, and how the answer is shown.
    """
    found = asking.affected(session.reading(reading), key, from_index)
    facts = {
        "keyId": found.key.key.key_id,
        "principal": found.key.principal,
        "from": found.from_index,
        "revokedFrom": found.revoked_from,
        "statements": [line.to_json() for line in found.statements],
        "artifacts": [
            {"digest": digest, "name": name, "entries": list(entries)}
            for digest, name, entries in found.artifacts
        ],
        "names": [
            {"name": one.name, "digest": one.digest, "lost": list(one.lost)} for one in found.names
        ],
    }
    state = "not revoked" if found.revoked_from is None else f"revoked from {found.revoked_from}"
    counts = f"{len(found.statements)} statements, {len(found.artifacts)} artifacts"
    summary = [
        ("key", f"{found.key.key.key_id} of {found.key.principal}, {state}"),
        ("from", f"log {found.from_index}: {counts}, {len(found.names)} names"),
    ]
    statements = output.Table(
        ("log", "kind", "says"), [(one.index, one.kind, one.says) for one in found.statements]
    )
    artifacts = output.Table(
        ("artifact", "digest", "log"),
        [(name, digest[:19], _few(entries)) for digest, name, entries in found.artifacts],
    )
    names = output.Table(
        ("name", "loses"), [(one.name, lost) for one in found.names for lost in one.lost]
    )
    output.emit(reading, facts, summary, statements, artifacts, names)
    return 0


def _few(entries: tuple[int, ...]) -> str:
    more = f" and {len(entries) - _SHOWN} more" if len(entries) > _SHOWN else ""
    return ", ".join(map(str, entries[:_SHOWN])) + more
