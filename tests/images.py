# ruff: noqa: E501 - cases read best on one line
"""Images for tests: layouts on disk, signatures as cosign writes them, a registry on this machine."""

import gzip
import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tidegate.core.attest import envelope as dsse
from tidegate.core.attest.statement import Statement, Subject
from tidegate.core.attest.uris import PAYLOAD_TYPE
from tidegate.core.identity.keys import PrivateKey
from tidegate.core.identity.reading import encode_base64
from tidegate.interop.bundle import Bundle, KeyHint
from tidegate.interop.cosign import BUNDLE, ENVELOPE, SIGN_PREDICATE, SIGNATURE, SIMPLE
from tidegate.interop.oci.model import IMAGE, INDEX, REF_NAME

CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
ANNOTATIONS = {
    "org.opencontainers.image.base.name": "registry.example/base/python:3.12",
    "org.opencontainers.image.base.digest": "sha256:" + "d" * 64,
}


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@dataclass
class Store:
    """Blobs and tags, to be written as a layout or served."""

    blobs: dict[str, bytes] = field(default_factory=dict)
    index: list[dict[str, Any]] = field(default_factory=list)

    def put(self, data: bytes, kind: str, **more: Any) -> dict[str, Any]:
        self.blobs[sha(data)] = data
        return {"mediaType": kind, "digest": f"sha256:{sha(data)}", "size": len(data), **more}

    def name(self, descriptor: dict[str, Any], tag: str | None = None, **notes: str) -> None:
        annotations = {**({REF_NAME: tag} if tag else {}), **notes}
        self.index.append({**descriptor, "annotations": annotations})

    def manifest(
        self, config: dict[str, Any], layers: list[dict[str, Any]], **more: Any
    ) -> dict[str, Any]:
        body = {"schemaVersion": 2, "mediaType": IMAGE, "config": config, "layers": layers, **more}
        return self.put(json.dumps(body).encode(), IMAGE)

    def image(
        self,
        *,
        tag: str | None = "1.0",
        config: Mapping[str, Any] | None = None,
        history: list[str] | None = None,
        diff_id: str | None = None,
        annotations: Mapping[str, str] = ANNOTATIONS,
    ) -> dict[str, Any]:
        """Add an image of one layer; return its descriptor."""
        raw = io.BytesIO()
        with tarfile.open(fileobj=raw, mode="w") as pack:
            member = tarfile.TarInfo("app/hello")
            member.size = 5
            pack.addfile(member, io.BytesIO(b"hello"))
        content = raw.getvalue()
        layer = self.put(gzip.compress(content, mtime=0), LAYER)
        body = {
            "architecture": "amd64",
            "os": "linux",
            "config": {"User": "1000", "Env": ["PATH=/bin"], **(config or {})},
            "rootfs": {"type": "layers", "diff_ids": [diff_id or f"sha256:{sha(content)}"]},
            "history": [{"created_by": text} for text in history or []],
        }
        made = self.manifest(
            self.put(json.dumps(body).encode(), CONFIG), [layer], annotations=dict(annotations)
        )
        self.name(made, tag)
        return made

    def sign_simply(self, image: dict[str, Any], key: PrivateKey, *, about: str = "") -> None:
        """Sign as ``cosign sign --key`` did before bundles."""
        payload = json.dumps(
            {
                "critical": {
                    "identity": {"docker-reference": "registry.example/team/app"},
                    "image": {"docker-manifest-digest": about or image["digest"]},
                    "type": "cosign container image signature",
                },
                "optional": None,
            },
            separators=(",", ":"),
        ).encode()
        notes = {SIGNATURE: encode_base64(key.sign(payload))}
        layer = self.put(payload, SIMPLE, annotations=notes)
        made = self.manifest(self.put(b"{}", CONFIG), [layer])
        self.name(made, image["digest"].replace(":", "-") + ".sig")

    def attest(
        self,
        image: dict[str, Any],
        key: PrivateKey,
        *,
        bundle: bool = True,
        predicate: str = SIGN_PREDICATE,
        about: str = "",
    ) -> None:
        """Sign as cosign does with bundles, or attest as it did before them."""
        digest = (about or image["digest"]).partition(":")[2]
        statement = Statement((Subject("", {"sha256": digest}),), predicate, {})
        envelope = dsse.sign(statement.to_bytes(), PAYLOAD_TYPE, [key])
        if bundle:
            data = Bundle(envelope, KeyHint(key.verifier.hint)).to_bytes()
            layer = self.put(data, BUNDLE)
            config = self.put(b"{}", "application/vnd.oci.empty.v1+json")
            made = self.manifest(config, [layer], artifactType=BUNDLE, subject=image)
            self.name({**made, "artifactType": BUNDLE})
        else:
            layer = self.put(envelope.to_bytes(), ENVELOPE)
            made = self.manifest(self.put(b"{}", CONFIG), [layer])
            self.name(made, image["digest"].replace(":", "-") + ".att")

    def write(self, folder: Path) -> Path:
        """Write a layout."""
        blobs = folder / "blobs" / "sha256"
        blobs.mkdir(parents=True)
        (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": self.index}
        (folder / "index.json").write_text(json.dumps(index))
        for name, data in self.blobs.items():
            (blobs / name).write_bytes(data)
        return folder


@dataclass
class Served:
    """A registry that runs, and what it was asked."""

    store: Store
    token: str
    user: str
    referrers: bool
    moved: bool
    host: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Path, and the authorization that came with it."""

    def named(self, name: str) -> str:
        """Return the digest that a tag names."""
        if ":" in name:
            return name
        tagged = [one for one in self.store.index if one["annotations"].get(REF_NAME) == name]
        return tagged[0]["digest"] if tagged else "sha256:none"

    def about(self, digest: str) -> bytes:
        """Return the index of what says that it is about a manifest."""
        found = [
            one
            for one in self.store.index
            if digest in self.store.blobs[one["digest"].partition(":")[2]].decode()
            and '"subject"' in self.store.blobs[one["digest"].partition(":")[2]].decode()
        ]
        return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": found}).encode()


class _Server(ThreadingHTTPServer):
    served: Served


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        told, given = self.server.served, self.headers.get("authorization", "")
        told.asked.append((self.path, given))
        path = urlsplit(self.path).path
        if path == "/token":
            self._token(told, given)
        elif path.startswith("/elsewhere/"):
            self._send(told.store.blobs.get(path.rpartition("/")[2]), "application/x")
        elif told.token and given != f"Bearer {told.token}":
            scope = "repository:team/app:pull"
            realm = f'Bearer realm="http://{told.host}/token",service="s",scope="{scope}"'
            self._answer(401, b"{}", {"www-authenticate": realm})
        else:
            self._content(told, path.removeprefix("/v2/team/app/"))

    def _token(self, told: Served, given: str) -> None:
        query = parse_qs(urlsplit(self.path).query)
        wanted = f"Basic {encode_base64(told.user.encode())}" if told.user else ""
        right = given == wanted and query.get("scope") == ["repository:team/app:pull"]
        self._answer(
            200 if right else 401,
            json.dumps({"token": told.token}).encode() if right else b"{}",
            {},
        )

    def _content(self, told: Served, path: str) -> None:
        kind, _, name = path.partition("/")
        if kind == "referrers" and told.referrers:
            self._send(told.about(name), INDEX)
        elif kind == "blobs" and told.moved:
            place = f"http://{told.host}/elsewhere/{name.partition(':')[2]}"
            self._answer(307, b"", {"location": place})
        elif kind == "manifests":
            self._send(told.store.blobs.get(told.named(name).partition(":")[2]), IMAGE)
        else:
            data = told.store.blobs.get(name.partition(":")[2])
            self._send(data if kind == "blobs" else None, "application/octet-stream")

    def _send(self, data: bytes | None, kind: str) -> None:
        self._answer(404 if data is None else 200, data or b"", {"content-type": kind})

    def _answer(self, status: int, data: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "content-length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


@contextmanager
def served(
    store: Store, *, token: str = "", user: str = "", referrers: bool = True, moved: bool = False
) -> Generator[Served]:
    """Serve a store under ``team/app``, with token authorization where a token is given."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.served = Served(store, token, user, referrers, moved, f"127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
