"""Find the key that a URI means, and sign with it: one way for all places where keys live.

::

    access = Access(secret=lambda what: read_pin(what), environ=os.environ)
    signer = locate("pkcs11:token=hsm;object=release?module-path=/usr/lib/p11.so", access).open()

What an HSM or a service returns is verified here before anybody sees it: one that signs with
another key, or answers with half a signature, is an error and no signature.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Protocol

from tidegate.core.digest import sha256
from tidegate.core.errors import AccessError, SignatureError, UsageError
from tidegate.core.identity.keys import PublicKey
from tidegate.custody.signers.uri import SignerUri

GROUP = "tidegate.signers"
"""Entry points of plug-ins: the name is the URI's scheme, the value a :class:`Driver`."""

_HERE = "tidegate.custody.signers."
DRIVERS: Mapping[str, str] = {
    "file": f"{_HERE}file:locate_file",
    "pkcs11": f"{_HERE}pkcs11:locate_pkcs11",
    "hashivault": f"{_HERE}vault:locate_vault",
    "awskms": f"{_HERE}kms:locate_kms",
    "gcpkms": f"{_HERE}kms:locate_kms",
    "azurekms": f"{_HERE}kms:locate_kms",
}
"""What comes with Tidegate, by scheme; no plug-in takes the place of one."""


def no_secret(_what: str) -> bytes | None:
    """Have no secret."""
    return None


@dataclass(frozen=True, slots=True)
class Access:
    """What a driver may use to get at a key."""

    secret: Callable[[str], bytes | None] = no_secret
    """Gives a PIN, passphrase or token; is told which."""
    environ: Mapping[str, str] = field(default_factory=dict[str, str])
    plugins: frozenset[str] = frozenset()
    """Schemes of plug-ins that may be loaded."""


@dataclass(frozen=True, slots=True)
class Unlocked:
    """A key that is ready to sign."""

    sealed: bool
    """Whether the private half is protected where it is kept."""
    sign: Callable[[bytes], bytes] = field(repr=False)
    """Returns Ed25519 (RFC 8032), or ECDSA in ASN.1 DER with the hash of the key's scheme."""


@dataclass(frozen=True, slots=True)
class Located:
    """A key that was found; nothing is unlocked yet."""

    public: PublicKey
    uri: SignerUri
    """With everything in it that names this very key, such as its version."""
    unlock: Callable[[], Unlocked] = field(repr=False)
    """May ask for a secret.

    Raises:
        AccessError: The secret is missing or wrong, or the key may not sign.
        RemoteError: What holds the key can't be reached.
    """
    origin: str = ""
    """What signs: the scheme; for a plug-in, its name, version and digest too."""

    def open(self) -> "RemoteSigner":
        """Return what signs; asks for the secret now.

        Raises:
            AccessError: The secret is missing or wrong, or the key may not sign.
            RemoteError: What holds the key can't be reached.
        """
        return RemoteSigner(self.public, self.origin, self.unlock())


class Driver(Protocol):
    """Finds keys of one scheme."""

    def __call__(self, uri: SignerUri, access: Access, expected: PublicKey | None) -> Located:
        """Find a key.

        Args:
            uri: Where.
            access: How to get at it; the secret is for what can't be told without.
            expected: The public key, where it is known.

        Raises:
            UsageError: The URI is not as this driver wants it.
            AccessError: There is no such key, or it may not be looked at.
            RemoteError: What holds the key can't be reached.
        """
        ...


@dataclass(frozen=True, slots=True)
class RemoteSigner:
    """A private key elsewhere; fulfils the ``Signer`` protocol."""

    verifier: PublicKey
    origin: str
    _unlocked: Unlocked = field(repr=False, compare=False)

    @property
    def sealed(self) -> bool:
        """Whether the private half is protected where it is kept."""
        return self._unlocked.sealed

    def sign(self, message: bytes) -> bytes:
        """Sign a message; nothing leaves here that does not verify.

        Raises:
            AccessError: The key can't be used, or what came back is not its signature.
            RemoteError: What holds the key can't be reached.
        """
        signature = self._unlocked.sign(message)
        try:
            self.verifier.verify(signature, message)
        except SignatureError:
            raise AccessError(
                "what came back is not this key's signature",
                where=f"{self.origin}, key {self.verifier.key_id}",
                next_step="see whether the key was exchanged there; nothing was signed",
                slug="foreign-signature",
            ) from None
        return signature


def locate(text: str, access: Access, expected: PublicKey | None = None) -> Located:
    """Find the key that a URI means.

    Args:
        text: The URI.
        access: How to get at it.
        expected: The public key that must be there.

    Raises:
        UsageError: The URI is none, holds a secret, or its scheme is unknown.
        AccessError: There is no such key, or another one than is expected.
        RemoteError: What holds the key can't be reached.
    """
    uri = SignerUri.parse(text)
    driver, origin = _driver(uri.scheme, access.plugins)
    found = driver(uri, access, expected)
    if expected is not None and found.public != expected:
        raise AccessError(
            "another key is there than was recorded",
            where=f"{uri.scheme}: key {found.public.key_id}",
            cause=f"key {expected.key_id} was recorded",
            next_step="find out who exchanged it; for a new key, run `tidegate keys rotate`",
            slug="other-key",
        )
    return Located(found.public, found.uri, found.unlock, origin)


def unreachable(scheme: str, extra: str, module: str) -> UsageError:
    """Return the error for a driver whose library is not installed."""
    return UsageError(
        f"{scheme}: needs a library that is not installed",
        where=module,
        next_step=f"pip install 'tidegate[{extra}]'",
        slug="signer-library",
    )


def _driver(scheme: str, plugins: frozenset[str]) -> tuple[Driver, str]:
    if place := DRIVERS.get(scheme):
        module, _, name = place.partition(":")
        driver: Driver = getattr(import_module(module), name)
        return driver, scheme
    there = scheme in plugins
    found = tuple(entry_points(group=GROUP, name=scheme)) if there else ()
    if len(found) == 1:
        return found[0].load(), _origin(found[0])
    raise UsageError(
        "no signer is known by this scheme",
        where=f"{scheme}:…",
        cause=f"{len(found)} plug-ins offer it" if there else f"known: {', '.join(DRIVERS)}",
        next_step="install the plug-in that offers it" if there else
        f'install its plug-in, and list "{scheme}" in signing.plugins',
        slug="unknown-signer",
    )  # fmt: skip


def _origin(entry: EntryPoint) -> str:
    """Return scheme, name, version and digest of a plug-in, as attestations name it."""
    dist = entry.dist
    if dist is None:
        return f"{entry.name} {entry.value}"
    # RECORD lists every installed file with its hash; a plug-in without one names its metadata.
    listed = dist.read_text("RECORD") or dist.read_text("METADATA") or ""
    return f"{entry.name} {dist.name} {dist.version} {sha256(listed.encode())}"
