"""Every reason not to trust a key, a certificate or a signed thing, with its remedy.

One line a case: the slug is stable (it is half of the error code), the text is for a person.

>>> refusal("unknown-key", "key 12ab").code
'TG-VER/unknown-key'
"""

from tidegate.core.errors import (
    AccessError,
    SignatureError,
    TidegateError,
    TrustError,
    UsageError,
    VerificationError,
)

_MADE_ANEW = "have the statement made again, and signed with a good key"
_VERSION = "use the version of Tidegate that wrote it, or a later one"
_ROOTS = "hand in all versions of the trust root, the first one first"

_CASES: dict[type[TidegateError], dict[str, tuple[str, str | None]]] = {
    UsageError: {
        "bad-key-id": ("not a key id", "use the 64 digits that `tidegate keys list` shows"),
        "bad-principal": (
            "not a name of a principal",
            "use a-z, 0-9 and . _ @ + -, at most 128, a letter or digit first",
        ),
        "bad-threshold": ("a threshold is at least 1", None),
        "empty-passphrase": ("the passphrase is empty", None),
        "key-current": ("the current key is not forgotten", "rotate it first"),
        "key-exists": ("the principal has a key already", "rotate it"),
        "needs-ecdsa": (
            "models are signed with an ECDSA key",
            "use a key of the scheme ecdsa-p256-sha256",
        ),
        "needs-ed25519": ("only Ed25519 keys have a raw form", None),
        "no-signer": ("an envelope needs a signer", None),
        "wrong-certificate": ("the certificate is of another key", None),
    },
    AccessError: {
        "bad-key-file": ("not this principal's key file", "restore it from a backup"),
        "bad-passphrase": (
            "the passphrase does not open the key, or the file was changed",
            "give the passphrase that sealed it",
        ),
        "key-permissions": ("others may read or change the private key", "chmod 600 the file"),
        "key-unreadable": ("the key can't be read", "make it readable for this user alone"),
        "key-unwritten": ("the key can't be written", "check the folder, and its free space"),
        "no-key": ("there is no such key here", "create it, or name another principal"),
        "passphrase-needed": (
            "the key is sealed",
            "give its passphrase, by prompt, file descriptor or credential file",
        ),
    },
    SignatureError: {
        "bad-signature": (
            "the signature does not verify over these bytes",
            "get the envelope again from where it was logged; it was changed since",
        ),
        "too-few-signatures": ("fewer have signed than must", "have another principal sign it"),
        "unsigned-trust-root": ("root keys have not signed the trust root", "have them sign it"),
    },
    TrustError: {
        "bad-trust-chain": ("the trust root does not follow the one before", _ROOTS),
        "cert-expired": ("the certificate had expired", None),
        "cert-not-yet-valid": ("the certificate was not valid yet", None),
        "cert-weak": ("the certificate rests on a weak hash or key", None),
        "cert-wrong-usage": ("the certificate is not for this use", None),
        "expired": ("the key had expired", _MADE_ANEW),
        "no-certificate": ("the bundle carries no certificate", "verify it with its key"),
        "not-yet-valid": ("the key was not trusted yet", _MADE_ANEW),
        "revoked": ("the key was revoked", _MADE_ANEW),
        "threshold": ("too few trusted principals signed", "have another principal sign it"),
        "unknown-key": ("the key is not in the trust root", "add it, if you trust it"),
        "unknown-root": (
            "the certificate leads to no trusted root",
            "hand in the issuer's root certificate, if you trust it",
        ),
        "wrong-anchor": ("the trust root is not the one that is pinned here", _ROOTS),
        "wrong-key": ("the bundle names another key", None),
        "wrong-purpose": ("the key serves another purpose", _MADE_ANEW),
        "wrong-role": ("the signer's role does not allow this", "have another principal sign it"),
    },
    VerificationError: {
        "bad-certificate": ("not a valid certificate", None),
        "bad-cost": ("the cost of a key file is out of bounds", None),
        "bad-directive": ("not a valid directive", None),
        "bad-key": ("not a key", None),
        "bad-trust-root": ("not a valid trust root", None),
        "contradiction": ("the verdict contradicts itself", None),
        "inconsistent-manifest": ("the model's digest is not that of its list of files", None),
        "model-mismatch": (
            "the model is not what was signed",
            "get the model again from the registry, or have this version signed",
        ),
        "payload-type": ("the envelope holds no in-toto statement", None),
        "predicate-type": ("not a predicate that this version can read here", _VERSION),
        "unsupported-key": (
            "keys of this kind are not accepted",
            "use Ed25519, or ECDSA on P-256, P-384 or P-521",
        ),
    },
}
_BY_SLUG = {slug: (kind, *texts) for kind, cases in _CASES.items() for slug, texts in cases.items()}


def refusal(
    slug: str,
    where: str | None = None,
    cause: str | None = None,
    *,
    kind: type[TidegateError] | None = None,
) -> TidegateError:
    """Return the error of a case, to be raised.

    Args:
        slug: Which case.
        where: The key, file or field that it is about.
        cause: What was found.
        kind: Another class than the case's own, for the same case met elsewhere.
    """
    usual, problem, next_step = _BY_SLUG[slug]
    cause = cause and cause[:500]
    return (kind or usual)(problem, where=where, cause=cause, next_step=next_step, slug=slug)
