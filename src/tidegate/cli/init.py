"""``tidegate init``: keys, trust root, store and the first entries of a ledger."""

import os
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from tidegate.app.genesis import Founder, everything, found
from tidegate.cli import output
from tidegate.cli.options import read_passphrase
from tidegate.core.errors import UsageError
from tidegate.core.identity.roles import Role

app = App(name="init", help="Start a workspace here.")


@app.default
def init(
    folder: Path = Path(),
    /,
    *,
    name: str = "default",
    principal: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    passphrase_fd: int | None = None,
    passphrase_file: Path | None = None,
    unsealed: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Start a workspace in a folder.

    Args:
        folder: Where; made if it does not exist.
        name: What people call it.
        principal: NAME or NAME=ROLE,ROLE; may be given several times. Without one, `me` holds
            every role: policy that wants two people then stays undecided.
        passphrase_fd: Read the passphrase that seals the keys from this descriptor.
        passphrase_file: Read it from this file.
        unsealed: Leave the keys unsealed; each attestation will say so.
    """
    founders = tuple(map(_founder, principal)) or (everything("me"),)
    prompt = None if unsealed else "Passphrase that seals the keys"
    passphrase = read_passphrase(passphrase_fd, passphrase_file, prompt=prompt, confirm=True)
    workspace = found(folder, founders, name=name, unlock=lambda _: passphrase, environ=os.environ)
    output.emit_text(
        [
            ("workspace", f"{name} ({workspace.id}) in {folder.absolute()}"),
            ("people", ", ".join(founder.name for founder in founders)),
            ("keys", "sealed" if passphrase else "NOT sealed: as safe as this disk"),
            ("trust", f"pin {workspace.trust.digest}"),
            ("next", "tidegate ingest source add NAME --tier partner; then tidegate ingest admit"),
        ]
    )
    return 0


def _founder(text: str) -> Founder:
    name, separator, roles = text.partition("=")
    if not separator:
        return everything(name)
    try:
        return Founder(name, frozenset(Role(role) for role in roles.split(",") if role))
    except ValueError:
        raise UsageError(
            "no such role",
            where=text[:100],
            next_step=f"use {', '.join(role.value for role in Role)}",
            slug="bad-role",
        ) from None
