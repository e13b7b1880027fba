"""Certificate chains: a made authority, and every way in which a chain can be wrong."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tidegate.core.clock import parse_iso
from tidegate.core.errors import TrustError, VerificationError
from tidegate.core.identity.keys import PublicKey
from tidegate.interop.certs import (
    certificate_der,
    load_certificate,
    load_certificates,
    verify_chain,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
DURING = parse_iso("2026-01-05T00:00:00+00:00")
SIGN = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
ISSUE = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
AGREE = x509.KeyUsage(False, False, False, False, True, False, False, False, False)
CODE = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING])
SERVER = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
MAIL = x509.SubjectAlternativeName([x509.RFC822Name("ana@example.org")])
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55555.1"), b"\0")
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True)
class Made:
    certificate: x509.Certificate
    key: Key


def make(
    name: str,
    issuer: Made | None = None,
    *,
    extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
    days: int = 10,
    key: Key | None = None,
) -> Made:
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder(
        issuer_name=issuer.certificate.subject if issuer else subject,
        subject_name=subject,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=START,
        not_valid_after=START + timedelta(days=days),
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    signer = issuer.key if issuer else key
    return Made(builder.sign(signer, hashes.SHA256()), key)


def ca(path_length: int | None = None) -> list[tuple[x509.ExtensionType, bool]]:
    return [(x509.BasicConstraints(ca=True, path_length=path_length), True), (ISSUE, True)]


LEAF: list[tuple[x509.ExtensionType, bool]] = [(SIGN, True), (CODE, False), (MAIL, False)]
ROOT = make("root", extensions=ca(), days=100)
OTHER_ROOT = make("root", extensions=ca(), days=100)
MIDDLE = make("middle", ROOT, extensions=ca(0), days=50)
GOOD = make("leaf", MIDDLE, extensions=LEAF)


def certificates(*made: Made) -> list[x509.Certificate]:
    return [one.certificate for one in made]


def test_a_good_chain_gives_the_key_and_who_holds_it() -> None:
    certified = verify_chain(certificates(GOOD, MIDDLE), certificates(ROOT), at=DURING)
    assert certified.key == PublicKey.of(GOOD.key.public_key())
    assert certified.identities == ("ana@example.org",)
    assert certified.subject == "CN=leaf"
    assert len(certified.chain) == 3


def test_intermediates_may_come_in_any_order_with_strangers_among_them() -> None:
    stranger = make("stranger", OTHER_ROOT, extensions=ca())
    chain = certificates(GOOD, stranger, MIDDLE)
    assert verify_chain(chain, certificates(ROOT, OTHER_ROOT), at=DURING).subject == "CN=leaf"


def test_an_rsa_authority_may_certify_an_ecdsa_leaf() -> None:
    root = make("rsa", extensions=ca(), key=rsa.generate_private_key(65537, 2048))
    leaf = make("leaf", root, extensions=LEAF)
    assert verify_chain(certificates(leaf), certificates(root), at=DURING).subject == "CN=leaf"


@pytest.mark.parametrize(
    ("moment", "slug"),
    [
        ("2025-12-31T23:59:59+00:00", "cert-not-yet-valid"),
        ("2026-01-01T00:00:00+00:00", None),
        ("2026-01-11T00:00:00+00:00", None),
        ("2026-01-11T00:00:00.000001+00:00", "cert-expired"),
        ("2027-01-01T00:00:00+00:00", "cert-expired"),
    ],
)
def test_dates_are_judged_by_the_time_that_is_handed_in(moment: str, slug: str | None) -> None:
    chain, roots, at = certificates(GOOD, MIDDLE), certificates(ROOT), parse_iso(moment)
    if slug is None:
        verify_chain(chain, roots, at=at)
        return
    with pytest.raises(TrustError) as caught:
        verify_chain(chain, roots, at=at)
    assert caught.value.slug == slug


def _weak_rsa() -> list[Made]:
    root = make("weak", extensions=ca(), key=rsa.generate_private_key(65537, 1024))  # noqa: S505 - refused below
    return [make("leaf", root, extensions=LEAF), root]


def _too_long() -> list[Made]:
    below = make("below", MIDDLE, extensions=ca())
    return [make("leaf", below, extensions=LEAF), below, MIDDLE]


def _with(extensions: Sequence[tuple[x509.ExtensionType, bool]]) -> Callable[[], list[Made]]:
    return lambda: [make("leaf", ROOT, extensions=extensions)]


def _not_a_ca() -> list[Made]:
    issuer = make("no ca", ROOT, extensions=[(SIGN, True)])
    return [make("leaf", issuer, extensions=LEAF), issuer]


def _no_cert_sign() -> list[Made]:
    basic = (x509.BasicConstraints(ca=True, path_length=None), True)
    issuer = make("no sign", ROOT, extensions=[basic, (SIGN, True)])
    return [make("leaf", issuer, extensions=LEAF), issuer]


@pytest.mark.parametrize(
    ("chain", "slug"),
    [
        (lambda: [GOOD], "unknown-root"),
        (lambda: [make("leaf", OTHER_ROOT, extensions=LEAF)], "unknown-root"),
        (lambda: [make("self", extensions=LEAF)], "unknown-root"),
        (_with([]), "cert-wrong-usage"),
        (_with([(AGREE, True), (CODE, False)]), "cert-wrong-usage"),
        (_with([(SIGN, True), (SERVER, False)]), "cert-wrong-usage"),
        (_with([(SERVER, False)]), "cert-wrong-usage"),
        (_with([*LEAF, (UNKNOWN, True)]), "cert-wrong-usage"),
        (_not_a_ca, "cert-wrong-usage"),
        (_no_cert_sign, "cert-wrong-usage"),
        (_too_long, "cert-wrong-usage"),
        (_weak_rsa, "cert-weak"),
    ],
)
def test_a_wrong_chain_is_refused_by_name(chain: Callable[[], list[Made]], slug: str) -> None:
    made = chain()
    roots = [ROOT, made.pop()] if slug == "cert-weak" else [ROOT]
    with pytest.raises(TrustError) as caught:
        verify_chain(certificates(*made), certificates(*roots), at=DURING)
    assert caught.value.slug == slug


def test_an_unknown_extension_that_is_not_critical_is_let_be() -> None:
    leaf = make("leaf", ROOT, extensions=[*LEAF, (UNKNOWN, False)])
    verify_chain(certificates(leaf), certificates(ROOT), at=DURING)


def test_an_expired_issuer_is_refused_even_under_a_valid_leaf() -> None:
    middle = make("short", ROOT, extensions=ca(), days=2)
    leaf = make("leaf", middle, extensions=LEAF)
    with pytest.raises(TrustError) as caught:
        verify_chain(certificates(leaf, middle), certificates(ROOT), at=DURING)
    assert caught.value.slug == "cert-expired"
    assert "short" in str(caught.value)


def test_a_leaf_with_an_rsa_key_is_refused() -> None:
    leaf = make("leaf", ROOT, extensions=LEAF, key=rsa.generate_private_key(65537, 2048))
    with pytest.raises(VerificationError) as caught:
        verify_chain(certificates(leaf), certificates(ROOT), at=DURING)
    assert caught.value.slug == "unsupported-key"


@pytest.mark.parametrize("count", [0, 9])
def test_the_length_of_a_chain_is_bounded(count: int) -> None:
    with pytest.raises(VerificationError):
        verify_chain(certificates(*[GOOD] * count), certificates(ROOT), at=DURING)


def test_certificates_are_read_from_pem_and_der() -> None:
    der = certificate_der(GOOD.certificate)
    assert load_certificate(der) == GOOD.certificate
    pem = GOOD.certificate.public_bytes(Encoding.PEM)
    assert load_certificates(pem + pem) == (GOOD.certificate, GOOD.certificate)


@pytest.mark.parametrize("data", [b"", b"rubbish", b"\x30\x80", b"x" * 70_000])
def test_rubbish_is_no_certificate(data: bytes) -> None:
    with pytest.raises(VerificationError):
        load_certificate(data)
    with pytest.raises(VerificationError):
        load_certificates(data)


@pytest.mark.parametrize("position", range(0, 300, 7))
def test_a_changed_certificate_leads_nowhere(position: int) -> None:
    der = bytearray(certificate_der(GOOD.certificate))
    der[position] ^= 1
    with pytest.raises(VerificationError):
        verify_chain(
            [load_certificate(bytes(der)), MIDDLE.certificate], certificates(ROOT), at=DURING
        )
