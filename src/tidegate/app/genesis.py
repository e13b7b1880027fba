"""Begin a workspace: keys, trust root, store, the first entries of the ledger.

The embedded default makes one key a principal and says whether they are sealed. Nothing is left
behind when it fails half-way.
"""

import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tidegate.app.trust import CHAIN, write_chain, write_pin
from tidegate.app.workspace import (
    HOME,
    LOG_PRINCIPAL,
    TOOL,
    Unlock,
    Workspace,
    no_passphrase,
    store_url,
)
from tidegate.config import FILE, load
from tidegate.core.attest.chain import sign_trust_root
from tidegate.core.canonical import dumps
from tidegate.core.clock import Clock, Micros, SystemClock
from tidegate.core.digest import sha256
from tidegate.core.errors import UsageError
from tidegate.core.identity.keys import PrivateKey
from tidegate.core.identity.roles import Role
from tidegate.core.identity.trust import Purpose, TrustedKey, TrustRoot
from tidegate.core.ledger.entry import Entry
from tidegate.core.ledger.log import PendingEntry
from tidegate.custody.keystore import KeyStore
from tidegate.store.engine import open_engine
from tidegate.store.migrate import upgrade
from tidegate.store.workspaces import Workspace as StoredWorkspace
from tidegate.store.workspaces import Workspaces

_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_ID_LENGTH = 12
_TOML = """\
# The workspace's configuration. `tidegate config show --origin` says what holds and why;
# `tidegate config schema` lists every key.

[workspace]
name = "{name}"
id = "{id}"

[signing]
principal = "{principal}"
"""


@dataclass(frozen=True, slots=True)
class Founder:
    """A principal that a new workspace begins with."""

    name: str
    roles: frozenset[Role]


def everything(name: str) -> Founder:
    """Return a founder who holds every role: a workspace of one."""
    return Founder(name, frozenset(Role))


def found(
    root: Path,
    founders: tuple[Founder, ...],
    *,
    name: str = "default",
    unlock: Unlock = no_passphrase,
    clock: Clock | None = None,
    environ: Mapping[str, str] | None = None,
) -> Workspace:
    """Make a workspace in a folder; its first founder acts by default and guards the trust root.

    Raises:
        UsageError: There is one already, or nobody founds it.
        StoreError: The store can't be made.
    """
    home, clock = root / HOME, clock or SystemClock()
    check_free(root)
    if not founders:
        raise UsageError("a workspace needs a principal", slug="no-founder")
    made_root = not root.exists()
    root.mkdir(parents=True, exist_ok=True)
    try:
        home.mkdir(mode=0o700)  # one process alone gets past it, and may clean up after itself
    except FileExistsError:
        raise _exists(home) from None
    try:
        identifier = "".join(secrets.choice(_ALPHABET) for _ in range(_ID_LENGTH))
        text = _TOML.format(name=name, id=identifier, principal=founders[0].name)
        (root / FILE).write_text(text, "utf-8")
        return _found(root, founders, unlock, clock, environ or {})
    except BaseException:
        shutil.rmtree(home, ignore_errors=True)
        (root / FILE).unlink(missing_ok=True)
        if made_root:
            shutil.rmtree(root, ignore_errors=True)
        raise


def check_free(root: Path) -> None:
    """Check that a folder has no workspace yet.

    Raises:
        UsageError: It has one.
    """
    for place in (root / HOME, root / FILE):
        if place.exists():
            raise _exists(place)


def _exists(place: Path) -> UsageError:
    return UsageError(
        "there is a workspace here already",
        where=str(place),
        next_step="use it, or name another folder",
        slug="workspace-exists",
    )


def _found(
    root: Path,
    founders: tuple[Founder, ...],
    unlock: Unlock,
    clock: Clock,
    environ: Mapping[str, str],
) -> Workspace:
    settings = load(root, environ).settings
    url = store_url(root, settings)
    upgrade(url)
    engine = open_engine(url)
    origin = settings.ledger.origin or f"tidegate/{settings.workspace.id}"
    Workspaces(engine).adopt(
        StoredWorkspace(
            id=settings.workspace.id,
            name=settings.workspace.name,
            origin=origin,
            kind="main",
            created=clock.now(),
        )
    )
    engine.dispose()
    keys = KeyStore(root / HOME / "keys")
    guard, trusted = _make_keys(keys, founders, unlock, origin, clock.now())
    trust = TrustRoot(settings.workspace.id, 1, keys=trusted, root_keys=(guard.verifier,))
    signed = sign_trust_root(trust, [guard])
    write_chain(root / HOME / CHAIN, [signed])
    write_pin(root / HOME, trust.digest)
    workspace = Workspace.open(root, unlock=unlock, clock=clock, environ=environ)
    body = dumps(signed.to_json())
    workspace.log.append(
        [
            PendingEntry(
                Entry(
                    "genesis",
                    workspace.id,
                    actor=founders[0].name,
                    tool=f"{TOOL.name} {TOOL.version}",
                    extra={"origin": origin},
                )
            ),
            PendingEntry(
                Entry(
                    "trust",
                    workspace.id,
                    actor=founders[0].name,
                    key_id=guard.verifier.key_id,
                    tool=f"{TOOL.name} {TOOL.version}",
                    subjects=(str(trust.digest),),
                    envelope=str(sha256(body)),
                ),
                body,
            ),
        ]
    )
    return workspace


def _make_keys(
    keys: KeyStore, founders: tuple[Founder, ...], unlock: Unlock, origin: str, now: int
) -> tuple[PrivateKey, tuple[TrustedKey, ...]]:
    """Make a key for each founder and one for the log; the first founder's guards the root."""
    trusted: list[TrustedKey] = []
    made: list[PrivateKey] = []
    for founder in founders:
        key = keys.create(founder.name, passphrase=unlock(founder.name))
        made.append(key)
        trusted.append(
            TrustedKey(key.verifier, founder.name, founder.roles, valid_from=Micros(now))
        )
    log = keys.create(LOG_PRINCIPAL, passphrase=unlock(LOG_PRINCIPAL))
    trusted.append(
        TrustedKey(
            log.verifier, LOG_PRINCIPAL, purpose=Purpose.LOG, name=origin, valid_from=Micros(now)
        )
    )
    return made[0], tuple(trusted)
