"""Keys outside this process: a SoftHSM token, and a server that does what Vault's transit does."""

import base64
import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

PIN = "24680"
LIBRARIES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm2.so",
)
CURVES = {"p256": ec.SECP256R1(), "p384": ec.SECP384R1(), "p521": ec.SECP521R1()}


@dataclass(frozen=True)
class Token:
    """A token with a key of each kind, labelled p256, p384, p521 and ed25519."""

    library: str
    pin: Path
    folder: Path

    def uri(self, label: str, *, pin: Path | None = None) -> str:
        """Return the URI of a key."""
        path = pin or self.pin
        return (
            f"pkcs11:token=Test%20HSM;object={label}"
            f"?module-path={self.library}&pin-source=file:{path}"
        )

    def add(self, label: str, number: str, key: Any) -> None:
        """Put a key into it."""
        pem = self.folder / f"{label}.pem"
        form = serialization.PrivateFormat.PKCS8
        plain = serialization.NoEncryption()
        pem.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, plain))
        words = ["softhsm2-util", "--import", str(pem), "--token", "Test HSM", "--label", label]
        done = subprocess.run(
            [*words, "--id", number, "--pin", PIN], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr + done.stdout
        pem.unlink()


def make_token(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Token:
    """Make a token, or skip where SoftHSM or python-pkcs11 is not installed."""
    pytest.importorskip("pkcs11", reason="pip install 'tidegate[pkcs11]'")
    library = next((path for path in LIBRARIES if Path(path).is_file()), None)
    if library is None or shutil.which("softhsm2-util") is None:
        pytest.skip("SoftHSM is not installed: apt-get install softhsm2")
    (folder / "tokens").mkdir(parents=True)
    config = folder / "softhsm2.conf"
    config.write_text(
        f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n"
    )
    monkeypatch.setenv("SOFTHSM2_CONF", str(config))
    words = ["softhsm2-util", "--init-token", "--free", "--label", "Test HSM", "--so-pin", "1357"]
    subprocess.run([*words, "--pin", PIN], capture_output=True, check=True)
    pin = folder / "pin"
    pin.write_text(f"{PIN}\n")
    pin.chmod(0o600)
    token = Token(library, pin, folder)
    for number, (label, curve) in enumerate(CURVES.items(), 1):
        token.add(label, f"0{number}", ec.generate_private_key(curve))
    token.add("ed25519", "0e", Ed25519PrivateKey.generate())
    return token


@dataclass
class Transit:
    """What Vault's transit engine keeps: versions of named keys."""

    address: str = ""
    token: str = "s.test-token"
    keys: dict[str, list[Any]] = field(default_factory=dict)
    exportable: bool = False
    answer: bytes | None = None
    """What it answers to a request to sign, instead of a signature."""
    signs_with: Any = None
    """Another key than it should sign with."""
    seen: list[Any] = field(default_factory=list)

    def read(self, name: str) -> dict[str, Any]:
        """Answer as ``GET transit/keys/NAME`` does."""
        versions = self.keys[name]
        kinds = {256: "ecdsa-p256", 384: "ecdsa-p384", 521: "ecdsa-p521"}
        edwards = isinstance(versions[0], Ed25519PrivateKey)
        kind = "ed25519" if edwards else kinds[versions[0].curve.key_size]
        keys = {str(number): {"public_key": _public(key)} for number, key in enumerate(versions, 1)}
        return {"type": kind, "keys": keys, "exportable": self.exportable,
                "allow_plaintext_backup": False, "latest_version": len(versions)}  # fmt: skip

    def sign(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        """Answer as ``POST transit/sign/NAME`` does."""
        number = body.get("key_version") or len(self.keys[name])
        key, given = self.signs_with or self.keys[name][number - 1], base64.b64decode(body["input"])
        if isinstance(key, Ed25519PrivateKey):
            signature = key.sign(given)
        else:
            assert body["prehashed"] is True
            assert body["marshaling_algorithm"] == "asn1"
            digest = {"sha2-256": hashes.SHA256(), "sha2-384": hashes.SHA384(),
                      "sha2-512": hashes.SHA512()}[body["hash_algorithm"]]  # fmt: skip
            signature = key.sign(given, ec.ECDSA(Prehashed(digest)))
        return {"signature": f"vault:v{number}:{base64.b64encode(signature).decode()}"}


@contextmanager
def transit() -> Iterator[Transit]:
    """Serve a transit engine on this machine."""
    state = Transit()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._reply(lambda name, _: state.read(name), "keys")

        def do_POST(self) -> None:
            self._reply(state.sign, "sign")

        def _reply(self, act: Any, verb: str) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(size)) if size else {}
            state.seen.append((self.path, body, dict(self.headers)))
            prefix = f"/v1/transit/{verb}/"
            name = self.path.removeprefix(prefix)
            if self.headers.get("X-Vault-Token") != state.token:
                self._send(403, b'{"errors": ["permission denied"]}')
            elif not self.path.startswith(prefix) or name not in state.keys:
                self._send(404, b'{"errors": []}')
            elif state.answer is not None and verb == "sign":
                self._send(200, state.answer)
            else:
                self._send(200, json.dumps({"data": act(name, body)}).encode())

        def _send(self, status: int, data: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
            pass

    with _serving(Handler) as state.address:
        yield state


@contextmanager
def _serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _public(key: Any) -> str:
    if isinstance(key, Ed25519PrivateKey):
        return base64.b64encode(key.public_key().public_bytes_raw()).decode()
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    pem: bytes = key.public_key().public_bytes(serialization.Encoding.PEM, form)
    return pem.decode()


@contextmanager
def aws_kms(key: ec.EllipticCurvePrivateKey, name: str) -> Iterator[str]:
    """Serve the two calls of AWS KMS that signing needs (JSON 1.1), for one key; yield its URL."""
    kinds = {256: "ECDSA_SHA_256", 384: "ECDSA_SHA_384"}
    kind = kinds[key.curve.key_size]

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            target = self.headers["X-Amz-Target"]
            status, told = 200, dict[str, Any]()
            if body["KeyId"] != name:
                status, told = 400, {"__type": "NotFoundException", "message": "no such key"}
            elif target == "TrentService.GetPublicKey":
                form = serialization.PublicFormat.SubjectPublicKeyInfo
                der = key.public_key().public_bytes(serialization.Encoding.DER, form)
                told = {"KeyId": name, "PublicKey": base64.b64encode(der).decode(),
                        "KeyUsage": "SIGN_VERIFY", "SigningAlgorithms": [kind]}  # fmt: skip
            else:
                assert (target, body["MessageType"]) == ("TrentService.Sign", "DIGEST")
                assert body["SigningAlgorithm"] == kind
                digest = hashes.SHA256() if kind.endswith("256") else hashes.SHA384()
                made = key.sign(base64.b64decode(body["Message"]), ec.ECDSA(Prehashed(digest)))
                told = {"KeyId": name, "Signature": base64.b64encode(made).decode(),
                        "SigningAlgorithm": kind}  # fmt: skip
            data = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
            pass

    with _serving(Handler) as url:
        yield url
