"""X.509 chains for signer certificates: leaf to root, at a given time (RFC 5280 section 6).

Small on purpose: no network, no revocation lists, no name constraints; what is critical and not
understood is refused. The leaf's key must be one that this package signs with; issuers may use
RSA too. Dates are judged by the time that the caller hands in.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from tidegate.core.clock import SECOND, Micros, iso
from tidegate.core.errors import TidegateError
from tidegate.core.identity.keys import UNREADABLE, PublicKey
from tidegate.core.identity.refusals import refusal

MAX_CHAIN = 8
"""Most certificates between a leaf and a root, and most that a bundle may carry."""
MAX_CERTIFICATE = 65_536
_HASHES = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
_UNDERSTOOD = (x509.BasicConstraints, x509.KeyUsage, x509.ExtendedKeyUsage,
               x509.SubjectAlternativeName)  # fmt: skip
_RSA_BITS = 2_048
_Extension = TypeVar("_Extension", bound=x509.ExtensionType)


@dataclass(frozen=True, slots=True)
class CertifiedKey:
    """A leaf's key with what the chain says about its holder."""

    key: PublicKey
    subject: str
    """RFC 4514 distinguished name."""
    identities: tuple[str, ...]
    """Names in the subject alternative name: e-mail addresses, URIs, host names."""
    chain: tuple[str, ...]
    """SHA-256 of each certificate from leaf to root, in hexadecimal."""


def load_certificates(pem: bytes) -> tuple[x509.Certificate, ...]:
    """Read PEM certificates.

    Raises:
        VerificationError: There is none, or one of them is damaged.
    """
    try:
        return tuple(x509.load_pem_x509_certificates(pem))
    except ValueError as error:
        raise refusal("bad-certificate", cause=str(error)) from None


def load_certificate(der: bytes) -> x509.Certificate:
    """Read one DER certificate.

    Raises:
        VerificationError: It is none, or too large.
    """
    if len(der) > MAX_CERTIFICATE:
        raise refusal("bad-certificate", cause=f"it is larger than {MAX_CERTIFICATE} bytes")
    try:
        return x509.load_der_x509_certificate(der)
    except ValueError as error:
        raise refusal("bad-certificate", cause=str(error)) from None


def certificate_der(certificate: x509.Certificate) -> bytes:
    """Return a certificate's DER bytes."""
    return certificate.public_bytes(Encoding.DER)


def verify_chain(
    certificates: Sequence[x509.Certificate], roots: Sequence[x509.Certificate], *, at: Micros
) -> CertifiedKey:
    """Verify a leaf for signing.

    Args:
        certificates: The leaf first, then others that may lead to a root, in any order.
        roots: Certificates that are trusted as issuers.
        at: The moment of signing, by the log.

    Raises:
        TrustError: With the slug ``cert-expired``, ``cert-not-yet-valid``, ``cert-wrong-usage``,
            ``cert-weak`` or ``unknown-root``.
        VerificationError: A certificate is damaged, or the leaf's key is of a kind that is not
            accepted.
    """
    if not 1 <= len(certificates) <= MAX_CHAIN:
        raise refusal("bad-certificate", cause=f"a chain has 1 to {MAX_CHAIN} of them")
    leaf = certificates[0]
    try:
        path = _path(leaf, certificates[1:], roots)
        for depth, certificate in enumerate(path):
            _check_window(certificate, at)
            _check_strength(certificate)
            _check_extensions(certificate)
            if depth:
                _check_issuer(certificate, depth - 1)
        _check_leaf(leaf)
        key = PublicKey.of(leaf.public_key())
        names = _identities(leaf)
    except (*UNREADABLE, x509.DuplicateExtension) as error:
        raise refusal("bad-certificate", cause=str(error)) from None
    chain = tuple(certificate.fingerprint(hashes.SHA256()).hex() for certificate in path)
    return CertifiedKey(key, leaf.subject.rfc4514_string(), names, chain)


def _path(
    leaf: x509.Certificate, others: Sequence[x509.Certificate], roots: Sequence[x509.Certificate]
) -> list[x509.Certificate]:
    path = [leaf]
    while len(path) <= MAX_CHAIN:
        root = next((one for one in roots if _issued(path[-1], one)), None)
        if root is not None:
            return [*path, root]
        step = next((one for one in others if one not in path and _issued(path[-1], one)), None)
        if step is None:
            break
        path.append(step)
    cause = f"its issuer is {path[-1].issuer.rfc4514_string()}"
    raise refusal("unknown-root", path[-1].subject.rfc4514_string(), cause)


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (TypeError, InvalidSignature, *UNREADABLE):
        return False
    return True


def _check_window(certificate: x509.Certificate, at: Micros) -> None:
    first = _micros(certificate.not_valid_before_utc)
    last = _micros(certificate.not_valid_after_utc)
    name, says = certificate.subject.rfc4514_string(), f"and the log says {iso(at)}"
    if at < first:
        raise refusal("cert-not-yet-valid", name, f"it is valid from {iso(first)}, {says}")
    if at > last:
        raise refusal("cert-expired", name, f"it was valid until {iso(last)}, {says}")


def _check_strength(certificate: x509.Certificate) -> None:
    key, digest = certificate.public_key(), certificate.signature_hash_algorithm
    weak_hash = digest is not None and not isinstance(digest, _HASHES)
    if weak_hash or (isinstance(key, RSAPublicKey) and key.key_size < _RSA_BITS):
        raise refusal("cert-weak", certificate.subject.rfc4514_string())


def _check_extensions(certificate: x509.Certificate) -> None:
    for extension in certificate.extensions:
        if extension.critical and not isinstance(extension.value, _UNDERSTOOD):
            raise _usage(certificate, f"extension {extension.oid.dotted_string} is not understood")


def _check_issuer(certificate: x509.Certificate, below: int) -> None:
    basic = _extension(certificate, x509.BasicConstraints)
    usage = _extension(certificate, x509.KeyUsage)
    if basic is None or not basic.ca or (usage is not None and not usage.key_cert_sign):
        raise _usage(certificate, "it may not issue certificates")
    if basic.path_length is not None and below > basic.path_length:
        raise _usage(certificate, f"it allows {basic.path_length} issuers below, not {below}")


def _check_leaf(leaf: x509.Certificate) -> None:
    usage = _extension(leaf, x509.KeyUsage)
    extended = _extension(leaf, x509.ExtendedKeyUsage)
    if usage is None and extended is None:
        raise _usage(leaf, "it does not say what it is for")
    if usage is not None and not usage.digital_signature:
        raise _usage(leaf, "it is not for digital signatures")
    signing = {ExtendedKeyUsageOID.CODE_SIGNING, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}
    if extended is not None and not signing & set(extended):
        raise _usage(leaf, "it is not for code signing")


def _extension(certificate: x509.Certificate, kind: type[_Extension]) -> _Extension | None:
    for extension in certificate.extensions:
        if isinstance(extension.value, kind):
            return extension.value
    return None


def _identities(leaf: x509.Certificate) -> tuple[str, ...]:
    names = _extension(leaf, x509.SubjectAlternativeName)
    if names is None:
        return ()
    kinds = (x509.RFC822Name, x509.UniformResourceIdentifier, x509.DNSName)
    return tuple(name.value for name in names if isinstance(name, kinds))


def _micros(moment: datetime) -> Micros:
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return Micros((delta.days * 86_400 + delta.seconds) * SECOND)


def _usage(certificate: x509.Certificate, cause: str) -> TidegateError:
    return refusal("cert-wrong-usage", certificate.subject.rfc4514_string(), cause)
