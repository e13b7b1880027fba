"""Keys of principals: made, rotated and listed together with what the trust root says of them.

A key that is only on disk signs nothing that counts. Each function that makes one also publishes
the version of the trust root that names it; one that was interrupted in between can be repeated.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from tidegate.app.trustees import Published, next_version, publish
from tidegate.app.workspace import LOG_PRINCIPAL, Workspace
from tidegate.core.canonical import Json
from tidegate.core.clock import Micros, iso
from tidegate.core.errors import UsageError
from tidegate.core.identity.keys import PrivateKey, PublicKey, Scheme
from tidegate.core.identity.roles import Role
from tidegate.core.identity.signer import Signer
from tidegate.core.identity.trust import Purpose, TrustedKey, TrustRoot
from tidegate.core.policy.directive_state import RevokedKey
from tidegate.custody.keystore import StoredKey, check_principal
from tidegate.custody.signers.opening import locate

MODELS = "-models"
"""Ends the name under which a principal's model-signing key is kept."""


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key with what is known of it."""

    principal: str
    key_id: str
    scheme: str
    purpose: str
    """``attest``, ``log``, ``witness``; empty for a key that the trust root does not name."""
    roles: tuple[str, ...]
    state: str
    """``valid``, ``ended``, ``not yet valid``, ``revoked from N`` or ``untrusted``."""
    kept: str
    """``sealed`` or ``unsealed`` on this disk, ``public`` half only, or ``elsewhere``; the scheme
    of the signer (``pkcs11``, …) where its URI is known here."""
    root: bool
    """Whether it signs versions of the trust root."""
    valid_from: Micros | None = None
    valid_until: Micros | None = None

    def to_json(self) -> dict[str, Json]:
        """Return all fields; times as RFC 3339."""
        return {
            "principal": self.principal,
            "keyId": self.key_id,
            "scheme": self.scheme,
            "purpose": self.purpose,
            "roles": list(self.roles),
            "state": self.state,
            "kept": self.kept,
            "root": self.root,
            "validFrom": None if self.valid_from is None else iso(self.valid_from),
            "validUntil": None if self.valid_until is None else iso(self.valid_until),
        }


def list_keys(workspace: Workspace) -> list[KeyRow]:
    """Return the keys that the trust root names, then those that only lie here.

    Raises:
        AccessError: A key file is damaged, or others may read it.
    """
    stored = {one.key.key_id: one for one in workspace.keys.list()}
    revoked = workspace.directives().revoked_keys
    trust, now = workspace.trust, workspace.clock.now()
    rows = [
        _trusted_row(one, trust, stored.get(one.key.key_id), revoked.get(one.key.key_id), now)
        for one in trust.keys
    ]
    named = {one.key.key_id for one in trust.keys}
    return rows + [
        KeyRow(one.principal, key_id, one.key.scheme.value, "", (), "untrusted", _kept(one), False)
        for key_id, one in stored.items()
        if key_id not in named
    ]


@dataclass(frozen=True, slots=True)
class NewKey:
    """What :func:`new_key` is to make."""

    principal: str
    roles: frozenset[Role]
    scheme: Scheme = Scheme.ED25519
    public: PublicKey | None = None
    """A key that was made elsewhere; only its public half is known here."""
    signer: str | None = None
    """URI of a private key that is kept elsewhere, and signs from there."""

    def trusted(self, key: PublicKey, now: Micros) -> TrustedKey:
        """Return the entry of the trust root."""
        return TrustedKey(key, self.principal, self.roles, valid_from=now)


def new_key(workspace: Workspace, wanted: NewKey, passphrase: bytes | None) -> Published:
    """Make a principal's first key and publish it.

    Args:
        workspace: Where.
        wanted: Whose key, for what.
        passphrase: What seals it; ``None`` leaves it unsealed. The PIN of a key elsewhere.

    Raises:
        UsageError: The name can't be a principal's, or has a key already.
        AccessError: The root keys are not here, or can't be opened; a key elsewhere can't sign.
        RemoteError: What holds a key elsewhere can't be reached.
    """
    check_new(workspace, wanted)
    _ = workspace.log_key
    if wanted.signer is not None:
        public = _referred(workspace, wanted.principal, wanted.signer, passphrase)
    else:
        public = wanted.public or _made(workspace, wanted.principal, wanted.scheme, passphrase)
    trusted = wanted.trusted(public, workspace.clock.now())
    return publish(workspace, next_version(workspace.trust, keys=(*workspace.trust.keys, trusted)))


def check_new(workspace: Workspace, wanted: NewKey) -> None:
    """Check that a principal can get a first key.

    Raises:
        UsageError: The name can't be a principal's, or has a key already.
    """
    name = check_principal(wanted.principal)
    if name == LOG_PRINCIPAL or name.endswith(MODELS):
        raise UsageError(
            "this name is reserved",
            where=name,
            next_step=f"choose another one than {LOG_PRINCIPAL} or …{MODELS}",
            slug="reserved-name",
        )
    if any(key.principal == name for key in workspace.trust.keys_for(Purpose.ATTEST)):
        raise UsageError(
            "the principal has a key already",
            where=name,
            next_step=f"run `tidegate keys rotate {name}`",
            slug="key-exists",
        )


def models_key(
    workspace: Workspace, principal: str, passphrase: bytes | None, *, signer: str | None = None
) -> tuple[PublicKey, Published]:
    """Make the ECDSA P-256 key by which a releaser signs models, and publish it.

    Args:
        workspace: Where.
        principal: The releaser.
        passphrase: What seals the key; the PIN of one that is kept elsewhere.
        signer: URI of an ECDSA key that is kept elsewhere, instead of making one.

    Raises:
        UsageError: The principal is no releaser, has such a key already, or the key elsewhere is
            not ECDSA.
        AccessError: The root keys are not here, or can't be opened; a key elsewhere can't sign.
        RemoteError: What holds a key elsewhere can't be reached.
    """
    roles = check_models(workspace, principal)
    _ = workspace.log_key
    if signer is None:
        public = _made(workspace, principal + MODELS, Scheme.P256, passphrase)
    else:
        public = _referred(workspace, principal + MODELS, signer, passphrase, ecdsa=True)
    trusted = TrustedKey(public, principal, roles, valid_from=workspace.clock.now())
    after = next_version(workspace.trust, keys=(*workspace.trust.keys, trusted))
    return public, publish(workspace, after)


def check_models(workspace: Workspace, principal: str) -> frozenset[Role]:
    """Check that a principal can get a model-signing key; return its roles.

    Raises:
        UsageError: It is no releaser, or has such a key already.
    """
    now = workspace.clock.now()
    keys = [
        key
        for key in workspace.trust.keys_for(Purpose.ATTEST)
        if key.principal == principal and _state(key, None, now) == "valid"
    ]
    roles = frozenset(role for key in keys for role in key.roles)
    if Role.RELEASER not in roles:
        raise UsageError(
            "only a releaser signs models",
            where=f"{principal}: {', '.join(sorted(roles)) or 'no valid key'}",
            next_step="name a principal with the role releaser: `tidegate keys list`",
            slug="not-a-releaser",
        )
    if any(key.key.scheme is not Scheme.ED25519 for key in keys):
        raise UsageError(
            "the principal has a model-signing key already",
            where=principal,
            next_step=f"run `tidegate keys rotate {principal}{MODELS}`",
            slug="key-exists",
        )
    return roles


def rotate_key(
    workspace: Workspace, principal: str, passphrase: bytes | None, *, signer: str | None = None
) -> tuple[PublicKey, Published]:
    """End a key's window now, and publish a new key with the same roles and purpose.

    The old public key stays for what it signed. A root key is replaced as a root key, too; the
    log's key is rotated under the name ``ledger``.

    Args:
        workspace: Where.
        principal: Whose key.
        passphrase: What seals the new key; the PIN of one that is kept elsewhere.
        signer: URI of the new key, where it is kept elsewhere. A key that is kept elsewhere is only
            replaced by such a one: nobody takes a key out of an HSM by mistake.

    Raises:
        UsageError: The principal has no key that could be rotated, or it is kept elsewhere, and
            no other such key is named.
        AccessError: A key can't be opened.
        RemoteError: What holds a key elsewhere can't be reached.
    """
    old = rotatable(workspace, principal)
    check_place(workspace, principal, old, signer)
    _ = workspace.log_key  # by the old version, as the entry is signed by the old key
    if old.key.key_id in {key.key_id for key in workspace.trust.root_keys}:
        # It must sign once more: opened before anything is made.
        workspace.signer(principal, old.key.key_id)
    key: Signer
    if signer is None:
        made = workspace.keys.rotate(principal, scheme=old.key.scheme, passphrase=passphrase)
        key, public = made, made.verifier
    else:
        ecdsa = None if old.purpose is Purpose.ATTEST else False
        ecdsa = True if principal.endswith(MODELS) else ecdsa
        public = _referred(workspace, principal, signer, passphrase, ecdsa=ecdsa)
        key = workspace.signer(principal, public.key_id)
    before, now = workspace.trust, workspace.clock.now()
    new = replace(old, key=public, valid_from=now, valid_until=None)
    keys = tuple(replace(one, valid_until=now) if one is old else one for one in before.keys)
    guards = tuple(
        public if guard.key_id == old.key.key_id else guard for guard in before.root_keys
    )
    joining = [key] if guards != before.root_keys else []
    after = next_version(before, keys=(*keys, new), root_keys=guards)
    return public, publish(workspace, after, joining=joining)


def check_place(workspace: Workspace, name: str, old: TrustedKey, signer: str | None) -> None:
    """Check that a key that is kept elsewhere is not replaced by one on this disk.

    Raises:
        UsageError: It would be.
    """
    if signer is None and (uri := workspace.keys.elsewhere(name, old.key.key_id)) is not None:
        raise UsageError(
            "this key is kept elsewhere, and the new one would lie on this disk",
            where=f"{name}: {uri.scheme}",
            next_step="make the new key there, and name it: --signer URI",
            slug="kept-elsewhere",
        )


def rotatable(workspace: Workspace, principal: str) -> TrustedKey:
    """Return the newest trusted key among those kept here under a name.

    Raises:
        UsageError: There is none.
    """
    here = {one.key.key_id for one in workspace.keys.list() if one.principal == principal}
    found = [key for key in workspace.trust.keys if key.key.key_id in here]
    if not found or found[-1].valid_until is not None:
        raise UsageError(
            "no key of this name is kept here and trusted",
            where=principal,
            next_step="see `tidegate keys list`; the log's key is called ledger",
            slug="no-key",
        )
    return found[-1]


def public_pem(workspace: Workspace, name: str) -> bytes:
    """Return the public key that a name or key id means, as PEM.

    Raises:
        UsageError: No key is called so.
    """
    kept = {one.principal: one.key for one in workspace.keys.list() if one.current}
    if name in kept:
        return kept[name].pem
    return find_key(workspace.trust, name).key.pem


def find_key(trust: TrustRoot, name: str) -> TrustedKey:
    """Return the key that a key id, its beginning (8 digits at least), or a principal means.

    Raises:
        UsageError: No key is called so, or several are.
    """
    prefixed = [key for key in trust.keys if len(name) >= 8 and key.key.key_id.startswith(name)]  # noqa: PLR2004 - said above
    found = prefixed or [key for key in trust.keys if key.principal == name]
    if len(found) == 1:
        return found[0]
    raise UsageError(
        "several keys are called so" if found else "no key is called so",
        where=name[:140],
        cause=", ".join(key.key.key_id[:16] for key in found) or None,
        next_step="name it by the key id that `tidegate keys list` shows",
        slug="no-such-key",
    )


def unsealed(rows: Sequence[KeyRow]) -> Iterator[KeyRow]:
    """Yield the keys that lie here without a seal and still count."""
    return (row for row in rows if row.kept == "unsealed" and row.state == "valid")


def _made(workspace: Workspace, name: str, scheme: Scheme, passphrase: bytes | None) -> PublicKey:
    """Make a key, or take up one that an interrupted run left, which the trust root lacks."""
    named = {key.key.key_id for key in workspace.trust.keys}
    left = [one for one in workspace.keys.list() if one.principal == name and one.current]
    here = left and left[0].uri is None and left[0].key.scheme is scheme
    if here and left[0].key.key_id not in named:
        return left[0].key
    if left:
        return workspace.keys.rotate(name, scheme=scheme, passphrase=passphrase).verifier
    key: PrivateKey = workspace.keys.create(name, scheme=scheme, passphrase=passphrase)
    return key.verifier


def _referred(
    workspace: Workspace,
    name: str,
    uri: str,
    secret: bytes | None,
    *,
    ecdsa: bool | None = None,
) -> PublicKey:
    """Take in a key that is kept elsewhere, once it has shown that it signs."""
    access = workspace.access(name)
    found = locate(uri, access if secret is None else replace(access, secret=lambda _what: secret))
    if ecdsa is not None and (found.public.scheme is not Scheme.ED25519) is not ecdsa:
        raise UsageError(
            "a key of another kind is needed here",
            where=f"{name}: {found.public.scheme}",
            next_step=f"make {'an ECDSA' if ecdsa else 'an Ed25519'} key there",
            slug="key-kind",
        )
    found.open().sign(b"tidegate: proof of possession\n" + found.public.der)
    workspace.keys.refer(name, found.public, found.uri)
    return found.public


def _trusted_row(
    key: TrustedKey,
    trust: TrustRoot,
    stored: StoredKey | None,
    revoked: RevokedKey | None,
    now: Micros,
) -> KeyRow:
    return KeyRow(
        principal=key.principal,
        key_id=key.key.key_id,
        scheme=key.key.scheme.value,
        purpose=key.purpose.value,
        roles=tuple(sorted(key.roles)),
        state=_state(key, revoked, now),
        kept="elsewhere" if stored is None else _kept(stored),
        root=key.key.key_id in {one.key_id for one in trust.root_keys},
        valid_from=key.valid_from,
        valid_until=key.valid_until,
    )


def _state(key: TrustedKey, revoked: RevokedKey | None, now: Micros) -> str:
    if revoked is not None:
        return f"revoked from {revoked.from_index}"
    if now < key.valid_from:
        return "not yet valid"
    if key.valid_until is not None and now >= key.valid_until:
        return "ended"
    return "valid"


def _kept(stored: StoredKey) -> str:
    if stored.uri is not None:
        return stored.uri.scheme
    return {True: "sealed", False: "unsealed", None: "public"}[stored.sealed]
