"""Container images of a drill: OCI layouts of one layer, signed as cosign signs; a careless host.

The host unpacks whatever lies under the name of a digest, and runs it.
"""

import gzip
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent

from tidegate.core.canonical import Json
from tidegate.core.digest import sha256
from tidegate.core.identity.keys import PrivateKey
from tidegate.core.identity.reading import encode_base64
from tidegate.interop.cosign import SIGNATURE, SIMPLE
from tidegate.interop.oci.model import IMAGE, INDEX, REF_NAME

RUN = dedent(
    """
    import io, json, sys, tarfile
    from pathlib import Path

    layout = Path(sys.argv[1])

    def blob(descriptor):
        return (layout / "blobs" / descriptor["digest"].replace(":", "/")).read_bytes()

    index = json.loads((layout / "index.json").read_text())
    tagged = {one["annotations"]["org.opencontainers.image.ref.name"]: one
              for one in index["manifests"]}
    (layer,) = json.loads(blob(tagged["1.0"]))["layers"]
    with tarfile.open(fileobj=io.BytesIO(blob(layer)), mode="r:gz") as pack:
        program = pack.extractfile("app/start.py").read()
    exec(compile(program, "app/start.py", "exec"))
    """
)
"""What a container host that checks no digest comes to."""
BASE = "registry.acme.example/base/python:3.12"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
_BASE = "org.opencontainers.image.base"


@dataclass(slots=True)
class LayoutWriter:
    """An OCI image layout that is being written."""

    folder: Path
    _index: list[Mapping[str, Json]] = field(default_factory=list[Mapping[str, Json]])

    def put(self, data: bytes, kind: str, **more: Json) -> dict[str, Json]:
        """Write a blob; return its descriptor."""
        digest = sha256(data)
        place = self.folder / "blobs" / digest.algorithm
        place.mkdir(parents=True, exist_ok=True)
        (place / digest.hex).write_bytes(data)
        return {"mediaType": kind, "digest": str(digest), "size": len(data), **more}

    def image(self, program: str, base: str = BASE) -> tuple[dict[str, Json], Path]:
        """Write an image that runs a program, tagged 1.0; return it, and where its layer lies."""
        raw = _packed(program)
        layer = self.put(gzip.compress(raw, mtime=0), _LAYER)
        config = {
            "architecture": "amd64",
            "os": "linux",
            "config": {"User": "1000", "Cmd": ["python", "/app/start.py"]},
            "rootfs": {"type": "layers", "diff_ids": [str(sha256(raw))]},
        }
        notes = {f"{_BASE}.name": base, f"{_BASE}.digest": str(sha256(base.encode()))}
        made = self._manifest(self._json(config, _CONFIG), layer, "1.0", annotations=notes)
        return made, self.folder / "blobs" / str(layer["digest"]).replace(":", "/")

    def sign(self, image: Mapping[str, Json], key: PrivateKey) -> None:
        """Sign as ``cosign sign --key`` does: simple signing, beside the image."""
        critical = {
            "identity": {"docker-reference": "registry.acme.example/team/credit"},
            "image": {"docker-manifest-digest": image["digest"]},
            "type": "cosign container image signature",
        }
        payload = json.dumps({"critical": critical, "optional": None}).encode()
        notes = {SIGNATURE: encode_base64(key.sign(payload))}
        layer = self.put(payload, SIMPLE, annotations=notes)
        tag = str(image["digest"]).replace(":", "-") + ".sig"
        self._manifest(self._json({}, _CONFIG), layer, tag)

    def close(self) -> Path:
        """Write the index; return the folder."""
        (self.folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}', "utf-8")
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": self._index}
        (self.folder / "index.json").write_text(json.dumps(index), "utf-8")
        return self.folder

    def _manifest(
        self, config: dict[str, Json], layer: dict[str, Json], tag: str, **more: Json
    ) -> dict[str, Json]:
        body = {
            "schemaVersion": 2, "mediaType": IMAGE, "config": config, "layers": [layer], **more,
        }  # fmt: skip
        made = self._json(body, IMAGE)
        self._index.append({**made, "annotations": {REF_NAME: tag}})
        return made

    def _json(self, value: Json, kind: str) -> dict[str, Json]:
        return self.put(json.dumps(value).encode(), kind)


def _packed(program: str) -> bytes:
    """Return a tar archive of the program."""
    raw, data = io.BytesIO(), program.encode()
    with tarfile.open(fileobj=raw, mode="w") as pack:
        member = tarfile.TarInfo("app/start.py")
        member.size = len(data)
        pack.addfile(member, io.BytesIO(data))
    return raw.getvalue()


def swap_layer(layer: Path, program: str) -> None:
    """Put another layer under the name of the old one's digest."""
    layer.write_bytes(gzip.compress(_packed(program), mtime=0))
