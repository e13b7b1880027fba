"""Kept results of checks, signed by who kept them: a row that somebody put into the table is none.

::

    cache = SignedChecks(SqlCheckCache(engine, workspace), signer)
"""

from dataclasses import dataclass

from tidegate.core.attest import envelope as dsse
from tidegate.core.attest.envelope import Envelope
from tidegate.core.errors import VerificationError
from tidegate.core.identity.signer import Signer
from tidegate.gates.resume import CheckCache

_TYPE = "application/vnd.tidegate.check-result+json"


@dataclass(frozen=True, slots=True)
class SignedChecks:
    """Keeps results for one principal; fulfils the runner's ``CheckCache``."""

    kept: CheckCache
    signer: Signer

    def get(self, key: str) -> bytes | None:
        """Return what this principal kept under this key; anything else is as good as nothing."""
        data = self.kept.get(key)
        if data is None:
            return None
        try:
            signed = Envelope.parse(data)
            dsse.verify(signed, [self.signer.verifier])
        except VerificationError:
            return None
        return signed.payload if signed.payload_type == _named(key) else None

    def put(self, key: str, value: bytes) -> None:
        """Keep a result."""
        self.kept.put(key, dsse.sign(value, _named(key), [self.signer]).to_bytes())


def _named(key: str) -> str:
    # The type is signed with the result, so that none can be kept under another's key.
    return f"{_TYPE}; key={key}"
