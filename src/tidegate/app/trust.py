"""The trust root's chain as a file, which a workspace and each client that verifies offline hold.

All versions stand in it, each verified against the one before, the first against a pinned digest.
The same versions are entries of the ledger; a file that is behind them is brought up to date from
there, and a file that contradicts them is refused.
"""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from tidegate.app.reading import about
from tidegate.core.attest.chain import load_trust_root
from tidegate.core.attest.envelope import Envelope
from tidegate.core.canonical import dumps, loads
from tidegate.core.digest import Digest
from tidegate.core.errors import SubjectError, TrustError, UsageError
from tidegate.core.identity.reading import Fields
from tidegate.core.identity.trust import TrustRoot

PIN = "trust-anchor"
CHAIN = "trust.json"
SCHEMA = "tidegate/trust-chain/v1"
_MAX_VERSIONS = 10_000
_MAX_BYTES = 64 << 20


def read_chain(path: Path) -> tuple[Envelope, ...]:
    """Read the file of all versions.

    Raises:
        TrustError: It can't be read.
        VerificationError: It is no such file.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(_MAX_BYTES + 1)
    except OSError as error:
        raise TrustError(
            "the trust root can't be read",
            where=str(path),
            cause=error.strerror,
            next_step="name the file that `tidegate trust export` wrote",
            slug="no-trust-root",
        ) from None
    with about(path):
        fields = Fields(loads(data, what="the trust root", limit=_MAX_BYTES), "trust-chain")
        if fields.text("schema", limit=100) != SCHEMA:
            raise fields.refuse("this version can't read it", where="schema")
        versions = fields.array("versions", limit=_MAX_VERSIONS, low=1)
        return tuple(map(Envelope.from_json, versions))


def chain_text(versions: Sequence[Envelope]) -> str:
    """Return the file of all versions."""
    body = {"schema": SCHEMA, "versions": [one.to_json() for one in versions]}
    return dumps(body).decode()


def write_chain(path: Path, versions: Sequence[Envelope]) -> None:
    """Write the file of all versions, whole or not at all.

    Raises:
        UsageError: It can't be written; what was there is left as it was.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_text(chain_text(versions), "utf-8")
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise UsageError(
            "the trust root can't be written",
            where=str(path),
            cause=error.strerror,
            next_step="name a file in a folder that exists and can be written",
            slug="output",
        ) from error


def read_trust(path: Path, pin: Digest | None) -> TrustRoot:
    """Return the newest version, its chain verified from the pinned one.

    Raises:
        TrustError: The file is missing, or does not hold the pinned version.
        SignatureError: A version lacks signatures.
    """
    chain = read_chain(path)
    with about(path):
        return load_trust_root(chain, anchor=pin)


def named_trust(path: Path, pin: Digest | None) -> TrustRoot:
    """Return the newest version of a file that a person named.

    Raises:
        SubjectError: There is no such file.
        TrustError: It can't be read, or does not hold the pinned version.
        SignatureError: A version lacks signatures.
    """
    if not path.is_file():
        raise SubjectError(
            "there is no trust root file here",
            where=str(path),
            next_step="name the file that `tidegate trust export` wrote",
            slug="no-such-file",
        )
    return read_trust(path, pin)


def write_pin(home: Path, digest: Digest) -> None:
    """Pin a version."""
    (home / PIN).write_text(f"{digest}\n", "ascii")


def read_pin(home: Path) -> Digest:
    """Return the pinned digest.

    Raises:
        TrustError: There is none: nothing could be trusted.
    """
    try:
        return Digest.parse((home / PIN).read_text("ascii").strip())
    except (OSError, ValueError, SubjectError) as error:
        raise TrustError(
            "the pin of the trust root is missing or unreadable",
            where=str(home / PIN),
            cause=str(error)[:100],
            next_step="restore it; it is the digest that `tidegate init` showed",
            slug="no-anchor",
        ) from None
