"""``file:/path/key.pem``: a private key in a PEM file, PKCS#8 or SEC 1, encrypted or not.

The file must be readable by its owner alone. ``?passphrase-source=/path`` names a file with the
passphrase; else it is asked for.
"""

from pathlib import Path
from urllib.parse import unquote

from tidegate.core.errors import AccessError
from tidegate.core.identity.keys import PrivateKey, PublicKey
from tidegate.core.identity.refusals import refusal
from tidegate.custody.sealed import read_private
from tidegate.custody.signers.opening import Access, Located, Unlocked
from tidegate.custody.signers.uri import SignerUri, bad_uri, read_source

_SOURCE = "passphrase-source"


def locate_file(uri: SignerUri, access: Access, expected: PublicKey | None) -> Located:
    """Find a key in a file; an encrypted one is opened only where its public half is not known.

    Raises:
        UsageError: The URI names no file.
        AccessError: It can't be read, others may read it, or it is no key that is accepted.
    """
    uri.query_attributes({_SOURCE})
    path = Path(unquote(uri.body.removeprefix("//")))
    if not uri.body or "\0" in str(path):
        raise bad_uri("file", "it names no file")
    pem = read_private(path)
    encrypted = b"ENCRYPTED" in pem

    def unseal() -> PrivateKey:
        passphrase = None
        if encrypted:
            passphrase = read_source(uri, _SOURCE) or access.secret("passphrase")
            if passphrase is None:
                raise refusal("passphrase-needed", str(path))
        try:
            return PrivateKey.from_pem(pem, passphrase=passphrase)
        except AccessError as error:
            if encrypted and error.slug == "bad-key":
                raise refusal("bad-passphrase", str(path)) from None
            error.where = str(path)
            error.next_step = error.next_step or "name a private key in PEM: PKCS#8, or SEC 1"
            raise

    if encrypted and expected is not None:
        return Located(expected, uri, lambda: Unlocked(encrypted, unseal().sign))
    key = unseal()  # once: a descriptor gives a passphrase only once
    return Located(key.verifier, uri, lambda: Unlocked(encrypted, key.sign))
