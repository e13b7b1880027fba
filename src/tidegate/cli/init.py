"""``tidegate init``: keys, trust root, store and the first entries of a ledger."""

import os
from pathlib import Path
from typing import Annotated

from cyclopts import App

from tidegate.app.genesis import Founder, check_free, everything, found
from tidegate.cli import output
from tidegate.cli.options import FLAT, Flag, Showing, Texts, read_passphrase
from tidegate.core.errors import UsageError
from tidegate.core.identity.roles import Role

app = App(name="init", help="Start a workspace here.")


@app.default
def init(
    folder: Path = Path(),
    /,
    *,
    name: str = "default",
    principal: Texts = (),
    passphrase_fd: int | None = None,
    passphrase_file: Path | None = None,
    unsealed: Flag = False,
    dry_run: Flag = False,
    showing: Annotated[Showing, FLAT] = Showing(),
) -> int:
    """Start a workspace in a folder.

    JSON: `name`, `folder`; `id`, `log`, `pin`, null on a dry run; `sealed`, `dryRun`;
    `principals` (`name`, `roles`).

    Args:
        folder: Where; made if it does not exist.
        name: What people call it.
        principal: NAME or NAME=ROLE,ROLE; may be given several times. Without one, `me` holds
            every role: policy that wants two people then stays undecided.
        passphrase_fd: Read the passphrase that seals the keys from this descriptor.
        passphrase_file: Read it from this file.
        unsealed: Leave the keys unsealed; each attestation will say so.
        dry_run: Say what would be made; write nothing.
        showing: How the answer is shown.
    """
    founders = tuple(map(_founder, principal)) or (everything("me"),)
    people = [
        {"name": one.name, "roles": sorted(role.value for role in one.roles)} for one in founders
    ]
    facts = {"name": name, "folder": str(folder.absolute()), "principals": people}
    names = ", ".join(founder.name for founder in founders)
    if dry_run:
        check_free(folder)
        unmade = {"id": None, "log": None, "pin": None, "sealed": not unsealed, "dryRun": True}
        rows = [("would make", f"{name} in {folder.absolute()}"), ("people", names)]
        output.emit(showing, {**facts, **unmade}, rows)
        output.notice("dry run: nothing was made")
        return 0
    prompt = None if unsealed else "Passphrase that seals the keys"
    passphrase = read_passphrase(passphrase_fd, passphrase_file, prompt=prompt, confirm=True)
    workspace = found(folder, founders, name=name, unlock=lambda _: passphrase, environ=os.environ)
    pin = str(workspace.trust.digest)
    made = {
        "id": workspace.id,
        "log": workspace.origin,
        "pin": pin,
        "sealed": passphrase is not None,
        "dryRun": False,
    }
    step = "" if folder == Path() else f"cd {folder}; "
    step += "tidegate ingest source add NAME --tier partner --owner WHO; then tidegate ingest admit"
    output.emit(
        showing,
        {**facts, **made},
        [
            ("workspace", f"{name} ({workspace.id}) in {folder.absolute()}"),
            ("people", names),
            ("keys", "sealed" if passphrase else "NOT sealed: as safe as this disk"),
            ("trust", f"pin {pin}"),
            ("next", step),
        ],
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
