"""What signs and what verifies: the two protocols that keys, tokens and KMS drivers fulfil."""

from typing import Protocol


class Verifier(Protocol):
    """A public key."""

    @property
    def key_id(self) -> str:
        """SHA-256 over the DER SubjectPublicKeyInfo, in lower-case hexadecimal."""
        ...

    @property
    def scheme(self) -> str:
        """``ed25519``, ``ecdsa-p256-sha256``, ``ecdsa-p384-sha384`` or ``ecdsa-p521-sha512``."""
        ...

    def verify(self, signature: bytes, message: bytes) -> None:
        """Check a signature over a message.

        Raises:
            SignatureError: It does not verify.
        """
        ...


class Signer(Protocol):
    """A private key, wherever it lives: sealed file, PKCS#11 token, Vault, cloud KMS."""

    @property
    def verifier(self) -> Verifier:
        """The public half."""
        ...

    @property
    def sealed(self) -> bool:
        """Whether the key at rest is protected; an unsealed key is named in attestations."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Sign a message.

        Raises:
            AccessError: The key can't be used.
        """
        ...
