"""A workspace: one ledger, its store, trust and policy, and gates that run on them.

::

    workspace = Workspace.open(Path("."), act_as="dana")
    decision = workspace.run(gate, order)
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from sqlalchemy import Engine

from tidegate.app.checks import SignedChecks
from tidegate.app.ports import (
    PathResolver,
    PolicyJudge,
    StatementsAt,
    StoredDirectives,
    StoredLedger,
)
from tidegate.app.trust import CHAIN, read_pin, read_trust
from tidegate.app.vouched import PolicySignature, check_policy, policy_signatures
from tidegate.config import Settings, load
from tidegate.core.attest.gate import Tool
from tidegate.core.attest.statement import Subject
from tidegate.core.clock import SECOND, Clock, SystemClock
from tidegate.core.decision import Decision
from tidegate.core.digest import Digest, sha256
from tidegate.core.errors import AccessError, TrustError, UsageError
from tidegate.core.identity.roles import Role
from tidegate.core.identity.signer import Signer
from tidegate.core.identity.trust import Purpose, TrustRoot, check_not_revoked
from tidegate.core.ledger.log import Log
from tidegate.core.ledger.note import NoteSigner
from tidegate.core.policy.directive_state import DirectiveState
from tidegate.core.policy.directives import Directive
from tidegate.core.policy.load import BUNDLED, bundled, load_path
from tidegate.core.policy.model import PolicyBundle
from tidegate.core.policy.result import Mode
from tidegate.core.verify import Verification, note_keys, open_head
from tidegate.custody.keystore import KeyStore
from tidegate.custody.signers.opening import Access, RemoteSigner, locate
from tidegate.gates.chain import ChainReader
from tidegate.gates.contract import Gate, Order
from tidegate.gates.notary import Principal, WorkspaceNotary
from tidegate.gates.require import Requirements
from tidegate.gates.runner import GateRunner, Receipt
from tidegate.graph.acts import ACTORS, fold, revocations, to_predicate
from tidegate.graph.places import Places
from tidegate.graph.project import Projector
from tidegate.graph.rows import DirectiveRow
from tidegate.logbook.monitor import Memory
from tidegate.store.blobs import LocalBlobs
from tidegate.store.checks import SqlCheckCache
from tidegate.store.engine import open_engine
from tidegate.store.log import SqlLogStorage
from tidegate.store.projections import SqlProjections
from tidegate.tables.schema import TableSchema
from tidegate.version import __version__

HOME = ".tidegate"
LOG_PRINCIPAL = "ledger"
"""Whose key signs checkpoints."""

Unlock = Callable[[str], bytes | None]
"""Gives the passphrase of a principal's key, or ``None`` where it has none."""


def no_passphrase(principal: str) -> bytes | None:  # noqa: ARG001 - an Unlock
    """Unlock nothing: for unsealed keys, and for reading."""
    return None


@dataclass(frozen=True)
class Workspace:
    """An open workspace. Reading needs no key; acting needs the principal's."""

    root: Path
    settings: Settings
    engine: Engine
    clock: Clock
    act_as: str | None = None
    """The principal who acts."""
    unlock: Unlock = no_passphrase
    state: Path | None = None
    """Where this client remembers the heads that it saw, apart from the workspace."""
    environ: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """Where drivers of keys that are kept elsewhere find addresses and credentials."""

    @classmethod
    def open(
        cls,
        root: Path,
        *,
        act_as: str | None = None,
        unlock: Unlock = no_passphrase,
        clock: Clock | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> "Workspace":
        """Open the workspace in a folder.

        Raises:
            UsageError: There is none.
            ConfigError: Its configuration is wrong.
            StoreError: Its store can't be used.
        """
        environ = os.environ if environ is None else environ
        settings = load(root, environ).settings
        check_home(root)
        return cls(
            root=root,
            settings=settings,
            engine=open_engine(
                store_url(root, settings), busy_timeout=settings.store.busy_timeout / SECOND
            ),
            clock=clock or SystemClock(),
            act_as=act_as or settings.signing.principal,
            unlock=unlock,
            state=state_folder(environ),
            environ=environ,
        )

    @property
    def id(self) -> str:
        """The workspace's id, which is in every row and entry."""
        return self.settings.workspace.id

    @cached_property
    def keys(self) -> KeyStore:
        """The keys that are kept here."""
        return KeyStore(self.home / "keys")

    @cached_property
    def storage(self) -> SqlLogStorage:
        """The log's rows."""
        return SqlLogStorage(self.engine, self.id, self.blobs)

    @cached_property
    def blobs(self) -> LocalBlobs:
        """The files that are kept: large envelopes, admitted tables."""
        return LocalBlobs(self.root / self.settings.store.blobs / self.id)

    @property
    def home(self) -> Path:
        """The folder of keys, pins and, by default, the store."""
        return self.root / HOME

    @cached_property
    def trust(self) -> TrustRoot:
        """The newest trust root, its chain verified from the pinned version."""
        return read_trust(self.home / CHAIN, read_pin(self.home))

    @property
    def origin(self) -> str:
        """The log's name."""
        return self.settings.ledger.origin or f"tidegate/{self.id}"

    @cached_property
    def log(self) -> Log:
        """The log; its key is opened when a head is to be signed, so that reading needs none."""
        keys = note_keys(self.trust, Purpose.LOG)
        return Log(
            self.storage,
            origin=self.origin,
            clock=self.clock,
            signer=NoteSigner(keys[-1], self._sign_head),
            keys=keys[:-1],
        )

    @cached_property
    def log_key(self) -> Signer:
        """The key that signs heads: the newest one that the trust root names.

        Raises:
            AccessError: It is not here, or can't be opened.
        """
        newest = self.trust.keys_for(Purpose.LOG)[-1].key.key_id
        return self.signer(LOG_PRINCIPAL, newest)

    def signer(self, name: str, key_id: str | None = None) -> Signer:
        """Open a private key, wherever it is kept.

        Args:
            name: Under which name.
            key_id: Which one; the current one by default.

        Raises:
            AccessError: It is not here, or can't be opened or used.
            RemoteError: What holds it can't be reached.
        """
        wanted = key_id or self.keys.current(name)
        uri = self.keys.elsewhere(name, wanted)
        if uri is None:
            return self.keys.load(name, passphrase=self.unlock(name), key_id=wanted)
        return locate(str(uri), self.access(name), self.keys.public(name, wanted)).open()

    def access(self, name: str) -> Access:
        """Return what a driver may use to get at a key that is kept elsewhere."""
        plugins = frozenset(self.settings.signing.plugins)
        return Access(lambda _what: self.unlock(name), self.environ, plugins)

    def _sign_head(self, message: bytes) -> bytes:
        return self.log_key.sign(message)

    @cached_property
    def ledger(self) -> StoredLedger:
        """The log with its envelopes."""
        return StoredLedger(self.log, self.storage)

    @cached_property
    def projections(self) -> SqlProjections:
        """Lineage and inventory; :meth:`catch_up` keeps them in step."""
        return SqlProjections(self.engine, self.id)

    def catch_up(self) -> None:
        """Project the entries that are new.

        Raises:
            TrustError: The ledger has a newer trust root than this folder.
        """
        Projector(self.ledger, self.projections, self.trust).catch_up()
        versions = self.places.trust
        if versions and versions[-1] != str(self.trust.digest):
            raise TrustError(
                "the ledger has another trust root than this folder",
                where=versions[-1],
                next_step="run `tidegate trust pull`",
                slug="trust-behind",
            )

    @property
    def places(self) -> Places:
        """Where the log speaks of what, up to its last entry."""
        size = self.ledger.size()
        if self._places.size < size:
            self._places.extend(self.ledger.entries(self._places.size, size))
        return self._places

    @cached_property
    def _places(self) -> Places:
        return Places()

    @cached_property
    def _directives(self) -> StoredDirectives:
        return StoredDirectives(self.ledger, self._places, self.trust)

    def directive_rows(self) -> list[DirectiveRow]:
        """Return the verified directives in log order, from the log itself.

        Raises:
            LedgerError: One is missing from the store.
        """
        _ = self.places
        return self._directives.rows()

    @cached_property
    def policy(self) -> PolicyBundle:
        """The policy in force."""
        name = self.settings.policy.bundle
        path = self.root / name
        return load_path(path) if name.endswith((".toml", ".json")) else bundled(name)

    def policy_signatures(self) -> list[PolicySignature]:
        """Return the signatures of policies that count, oldest first."""
        judge = self.verification()
        source = StatementsAt(self.ledger, self.places, judge.head.checkpoint.size)
        return list(policy_signatures(source, judge))

    def check_policy(self) -> None:
        """Check that the policy in force is the one that was signed last.

        Raises:
            PolicyError: It is not, or its signature has ended.
        """
        newest = next(reversed(self.policy_signatures()), None)
        ours = self.settings.policy.bundle in BUNDLED
        check_policy(self.policy, newest, self.clock.now(), ours=ours)

    def directives(self) -> DirectiveState:
        """Return what holds: quarantines, revocations, approvals, waivers, aliases."""
        self.catch_up()
        return fold(self.directive_rows(), self.trust)

    def verification(self) -> Verification:
        """Return what statements are verified against: the present signed head.

        Raises:
            RollbackError: The log is behind a head that this client saw.
            ForkError: It is not the log that this client saw.
        """
        head = open_head(self.log.checkpoint(), self.trust)
        if self.state is not None:
            Memory(self.state).check(head, self.log.prove_consistency)
        state = self.directives()
        return Verification(self.trust, head, revocations(state), self.clock.now())

    def chains(self) -> ChainReader:
        """Return a reader of evidence chains against the present head."""
        verification = self.verification()
        size = verification.head.checkpoint.size
        statements = StatementsAt(self.ledger, self.places, size)
        return ChainReader(self.projections, statements, verification)

    @cached_property
    def principal(self) -> Principal:
        """Who acts.

        Raises:
            AccessError: Nobody is named, or the key can't be used.
        """
        if self.act_as is None:
            raise AccessError(
                "nobody is named to act",
                next_step="name a principal with --as, or set signing.principal",
                slug="no-principal",
            )
        signer = self.signer(self.act_as)
        trusted = self.trust.key(
            signer.verifier.key_id, at=self.clock.now(), purpose=Purpose.ATTEST
        )
        if trusted.principal != self.act_as:
            raise AccessError(
                f"the key that is kept for {self.act_as} is {trusted.principal}'s",
                where=f"key {signer.verifier.key_id}",
                next_step=f"act as {trusted.principal} (--as), or restore the key",
                slug="other-principal",
            )
        origin = signer.origin if isinstance(signer, RemoteSigner) else ""
        return Principal(self.act_as, trusted.roles, signer, origin)

    @cached_property
    def notary(self) -> WorkspaceNotary:
        """Signs as the principal, appends to the log.

        Raises:
            AccessError: The principal's key, or the log's, can't be used; nothing was written.
        """
        _ = self.log_key  # opened before anything is committed
        return WorkspaceNotary(self.id, self.principal, self.policy, self.ledger, self.clock, TOOL)

    def runner(self, schemas: Mapping[str, TableSchema] | None = None) -> GateRunner:
        """Return the gate runner of this workspace."""
        return GateRunner(
            resolver=PathResolver(schemas or {}),
            evidence=Requirements(
                self.chains, self.directives, self.trust, self.act_as or "", self.clock
            ),
            judge=PolicyJudge(
                self.policy,
                Mode(self.settings.policy.mode.value),
                lambda: tuple(self.directives().waivers.values()),
                self.clock,
            ),
            notary=self.notary,
            cache=SignedChecks(SqlCheckCache(self.engine, self.id), self.principal.signer),
        )

    def run(
        self, gate: Gate, order: Order, schemas: Mapping[str, TableSchema] | None = None
    ) -> Decision:
        """Run a gate. See :meth:`tidegate.gates.runner.GateRunner.run`.

        Raises:
            TrustError: The principal's key was revoked: nothing that it says would count.
            PolicyError: The policy may not decide; see :mod:`tidegate.app.vouched`.
        """
        self._check_standing(self.directives())
        if not order.dry_run:
            self.notary.authorise(gate.stage)
            self.check_policy()
        return self.runner(schemas).run(gate, order)

    def act(self, directive: Directive) -> Receipt:
        """Sign a directive and append it; what it does holds from then on.

        Raises:
            AccessError: The principal's key can't be used, or its role does not allow the act.
            TrustError: The principal's key was revoked.
        """
        self._check_standing(self.directives())
        # What it follows makes it unlike any other act: one that is appended again is a replay.
        predicate = replace(
            to_predicate(directive, owner=self.principal.name), extra={"after": self.ledger.size()}
        )
        check_actor(self.principal, directive.kind)
        subject = _subject(directive, predicate.target)
        return self.notary.publish(predicate.statement((subject,)), kind="directive")

    def _check_standing(self, state: DirectiveState) -> None:
        check_not_revoked(self.principal.key_id, None, revocations(state))


TOOL = Tool("tidegate", __version__)


def check_home(root: Path) -> None:
    """Check that there is a workspace in a folder.

    Raises:
        UsageError: There is none.
    """
    if not (root / HOME).is_dir():
        raise UsageError(
            "there is no workspace here",
            where=str(root.absolute()),
            next_step="run `tidegate init`, or name the folder with -C",
            slug="no-workspace",
        )


def check_actor(principal: Principal, kind: str) -> None:
    """Check that a principal's role allows a kind of directive.

    Raises:
        AccessError: It does not.
    """
    wanted = ACTORS.get(kind, frozenset(Role))
    if not principal.roles & wanted:
        raise AccessError(
            f"{principal.name} may not {kind}",
            where=f"roles: {', '.join(sorted(principal.roles)) or 'none'}",
            next_step=f"act as a principal with the role {' or '.join(sorted(wanted))} (--as)",
            slug="role",
        )


def _subject(directive: Directive, target: str) -> Subject:
    payload = directive.to_json()
    named = next((str(payload[name]) for name in ("digest", "subject") if name in payload), "")
    if named.startswith("sha256:"):
        return Subject.of(target, Digest.parse(named))
    return Subject.of(target, sha256(target.encode()))


def store_url(root: Path, settings: Settings) -> str:
    """Return the store's URL with a relative SQLite path made absolute from the folder."""
    url = settings.store.url
    prefix = "sqlite:///"
    if url.startswith(prefix) and not url.startswith("sqlite:////"):
        return f"{prefix}{(root / url.removeprefix(prefix)).absolute()}"
    return url


def state_folder(environ: Mapping[str, str]) -> Path:
    """Return where a client remembers heads.

    It is apart from the workspace, so that a restored backup does not take the memory back.
    """
    base = environ.get("XDG_STATE_HOME") or str(Path(environ.get("HOME", "~")) / ".local/state")
    return Path(base).expanduser() / "tidegate" / "heads"
