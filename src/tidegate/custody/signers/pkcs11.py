"""``pkcs11:token=…;object=…?module-path=…``: a key in a token or HSM (RFC 7512).

``module-path`` is the absolute path of the token's library. The PIN is in the file that
``pin-source`` names, else it is asked for; ``pin-value`` is refused. The public key object must lie
beside the private one, under the same label or id, as ``pkcs11-tool --keypairgen`` leaves it.
ECDSA is signed over a digest that is made here (CKM_ECDSA), Ed25519 over the message (CKM_EDDSA).
"""

import re
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote_to_bytes

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from tidegate.core.errors import AccessError
from tidegate.core.identity.keys import PublicKey, Scheme
from tidegate.custody.signers.opening import Access, Located, Unlocked, unreachable
from tidegate.custody.signers.uri import SignerUri, bad_uri, read_source

if TYPE_CHECKING:
    from types import ModuleType

_Result = TypeVar("_Result")
_PATH = frozenset({"token", "serial", "manufacturer", "model", "object", "id", "type"})
_QUERY = frozenset({"module-path", "pin-source"})
_CURVES: dict[bytes, tuple[ec.EllipticCurve, int]] = {
    bytes.fromhex("06082a8648ce3d030107"): (ec.SECP256R1(), 65),
    bytes.fromhex("06052b81040022"): (ec.SECP384R1(), 97),
    bytes.fromhex("06052b81040023"): (ec.SECP521R1(), 133),
}
"""EC_PARAMS (DER object identifiers), and the length of an uncompressed point."""
_ED25519 = frozenset({
    bytes.fromhex("06032b6570"), bytes.fromhex("130c656477617264733235353139"),
})  # fmt: skip
_HASHES: dict[Scheme, hashes.HashAlgorithm] = {
    Scheme.P256: hashes.SHA256(),
    Scheme.P384: hashes.SHA384(),
    Scheme.P521: hashes.SHA512(),
}


def locate_pkcs11(uri: SignerUri, access: Access, expected: PublicKey | None) -> Located:  # noqa: ARG001 - a Driver
    """Find a key in a token by its public object, without a PIN.

    Raises:
        UsageError: The URI names no library or key, or python-pkcs11 is not installed.
        AccessError: There is no such token or key, or several.
    """
    try:
        import pkcs11  # noqa: PLC0415 - an optional dependency
    except ImportError:
        raise unreachable("pkcs11", "pkcs11", "pkcs11") from None
    named, query = uri.path_attributes(_PATH), uri.query_attributes(_QUERY)
    if "module-path" not in query or not query["module-path"].startswith("/"):
        raise bad_uri("pkcs11", "module-path must be the absolute path of the token's library")
    if "object" not in named and "id" not in named:
        raise bad_uri("pkcs11", "it names no key, by object= or id=")
    token = _Token(pkcs11, uri, named)
    public = token.public()
    return Located(public, uri, lambda: token.unlock(access, public))


class _Token:
    """One key of one token; opens sessions as they are needed."""

    def __init__(self, pkcs11: "ModuleType", uri: SignerUri, named: dict[str, str]) -> None:
        self._p11 = pkcs11
        self._uri = uri
        self._where = "pkcs11: " + ", ".join(
            f"{name} {value if value.isprintable() else ascii(value)}"
            for name, value in named.items()
            if name in {"token", "object", "id"}
        )
        self._which = {"label": named.get("object"), "id": _id(uri)}
        self._token = self._calling(lambda: self._found(named))

    def _found(self, named: dict[str, str]) -> Any:
        library = self._p11.lib(self._uri.query["module-path"])
        wanted = {"manufacturer_id": named.get("manufacturer"), "model": named.get("model")}
        tokens = [
            token
            for token in library.get_tokens()
            if named.get("token") in {None, token.label}
            and named.get("serial") in {None, _text(token.serial)}
            and all(value in {None, _text(getattr(token, name))} for name, value in wanted.items())
        ]
        if len(tokens) == 1:
            return tokens[0]
        raise self._refused(f"{len(tokens)} tokens are called so", "name it by token= and serial=")

    def public(self) -> PublicKey:
        """Read the public key object, which needs no PIN."""
        with self._calling(self._token.open) as session:
            return self._calling(lambda: self._read(session))

    def _read(self, session: Any) -> PublicKey:
        attribute, kind = self._p11.Attribute, self._p11.ObjectClass
        key = session.get_key(object_class=kind.PUBLIC_KEY, **self._which)
        params, point = bytes(key[attribute.EC_PARAMS]), bytes(key[attribute.EC_POINT])
        try:
            if params in _ED25519:
                return PublicKey.of(Ed25519PublicKey.from_public_bytes(_point(point, 32)))
            curve, size = _CURVES[params]
            found = ec.EllipticCurvePublicKey.from_encoded_point(curve, _point(point, size))
            return PublicKey.of(found)
        except (KeyError, ValueError):
            raise self._refused(
                "its curve is not accepted", "use Ed25519, or ECDSA on P-256, P-384 or P-521"
            ) from None

    def unlock(self, access: Access, public: PublicKey) -> Unlocked:
        """Log in, and return what signs."""
        pin = read_source(self._uri, "pin-source") or access.secret("PIN")
        if pin is None:
            raise self._refused("its PIN is missing", "name a file with it: pin-source=/path")
        session = self._calling(lambda: self._login(pin))
        kind, attribute = self._p11.ObjectClass, self._p11.Attribute
        key = self._calling(lambda: session.get_key(object_class=kind.PRIVATE_KEY, **self._which))
        sealed = self._calling(lambda: bool(key[attribute.SENSITIVE]))
        mechanism = self._p11.Mechanism

        def sign(message: bytes) -> bytes:
            if public.scheme is Scheme.ED25519:
                return self._calling(lambda: bytes(key.sign(message, mechanism=mechanism.EDDSA)))
            hasher = hashes.Hash(_HASHES[public.scheme])
            hasher.update(message)
            digest = hasher.finalize()
            raw = self._calling(lambda: bytes(key.sign(digest, mechanism=mechanism.ECDSA)))
            half = len(raw) // 2
            return encode_dss_signature(
                int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big")
            )

        return Unlocked(sealed, sign)

    def _login(self, pin: bytes) -> Any:
        try:
            text = pin.decode()
        except UnicodeDecodeError:
            raise self._refused("its PIN is no text", "check the PIN") from None
        # A process is logged in to a token once; further sessions share that.
        with suppress(self._p11.exceptions.UserAlreadyLoggedIn):
            return self._token.open(user_pin=text)
        return self._token.open()

    def _calling(self, act: Callable[[], _Result]) -> _Result:
        """Do something with the token; what its library raises is told without the PIN."""
        errors = self._p11.exceptions
        try:
            return act()
        except (errors.PinIncorrect, errors.PinInvalid, errors.PinLenRange):
            raise self._refused(
                "its PIN is wrong", "check the PIN before trying again: tokens lock themselves"
            ) from None
        except errors.PinLocked:
            raise self._refused(
                "its PIN is locked", "have its security officer unlock it"
            ) from None
        except errors.NoSuchKey:
            raise self._refused(
                "there is no such key",
                "name both halves alike: the public object is needed, too",
            ) from None
        except (errors.PKCS11Error, RuntimeError) as error:
            cause = str(error) or type(error).__name__
            raise self._refused(
                cause[:200], "check the token, and the path of its library"
            ) from None

    def _refused(self, cause: str, step: str) -> AccessError:
        return AccessError(
            "the token's key can't be used",
            where=self._where,
            cause=cause,
            next_step=step,
            slug="signer-refused",
        )


def _id(uri: SignerUri) -> bytes | None:
    found = re.search(r"(?:^|;)id=([^;]+)", uri.body)
    return unquote_to_bytes(found[1]) if found else None


def _text(value: bytes | str) -> str:
    return (value.decode("utf-8", "replace") if isinstance(value, bytes) else value).strip(" \0")


def _point(value: bytes, size: int) -> bytes:
    """Return a point of a known length, taken out of its DER octet string where it is in one."""
    head = b"\x04" + (bytes([size]) if size < 0x80 else b"\x81" + bytes([size]))  # noqa: PLR2004 - DER
    if len(value) == size + len(head) and value.startswith(head):
        return value[len(head) :]
    if len(value) == size:
        return value
    raise ValueError("no point of this curve")
