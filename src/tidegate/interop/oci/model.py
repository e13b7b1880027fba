"""Descriptors, manifests and references (OCI image specification 1.1), read from untrusted JSON.

>>> Reference.parse("registry.example:5000/team/app:1.2").tag
'1.2'
>>> Reference.parse("registry.example/team/app@sha256:" + "a" * 64).digest.short
'sha256:aaaaaaaaaaaa'
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, Self

from tidegate.core import canonical
from tidegate.core.canonical import Json
from tidegate.core.digest import Digest
from tidegate.core.errors import UsageError
from tidegate.core.identity.reading import Fields

IMAGE: Final = "application/vnd.oci.image.manifest.v1+json"
INDEX: Final = "application/vnd.oci.image.index.v1+json"
DOCKER_IMAGE: Final = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
MANIFESTS: Final = (IMAGE, INDEX, DOCKER_IMAGE, DOCKER_INDEX)
REF_NAME: Final = "org.opencontainers.image.ref.name"
MAX_MANIFEST: Final = 4 << 20
MAX_PARTS: Final = 1_000
"""Layers of a manifest, or manifests of an index."""
MAX_BLOB: Final = 32 << 20
"""A blob that is read whole: a configuration, a signature."""
_WHAT: Final = "image-manifest"
_REFERENCE: Final = re.compile(
    r"(?P<host>[A-Za-z0-9.-]+(?::[0-9]{1,5})?|\[[0-9a-f:]+\](?::[0-9]{1,5})?)/"
    r"(?P<name>[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?"
    r"(?:@(?P<digest>sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}))?"
)


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A pointer to content, by digest."""

    media_type: str
    digest: Digest
    size: int
    annotations: Mapping[str, str] = field(default_factory=dict[str, str])
    artifact_type: str = ""
    platform: str = ""
    """``os/architecture``."""
    urls: tuple[str, ...] = ()
    """Addresses outside the registry."""

    @classmethod
    def read(cls, value: Json) -> Self:
        """Read a descriptor.

        Raises:
            VerificationError: It is none.
        """
        fields = Fields(value, "descriptor")
        platform = fields.object("platform") if fields.has("platform") else {}
        system = "/".join(str(platform.get(key, "")) for key in ("os", "architecture"))
        return cls(
            fields.text("mediaType", limit=255),
            fields.digest("digest"),
            fields.integer("size"),
            _texts(fields, "annotations"),
            fields.text("artifactType", limit=255) if fields.has("artifactType") else "",
            system.strip("/"),
            fields.texts("urls", limit=20) if fields.has("urls") else (),
        )


@dataclass(frozen=True, slots=True)
class Manifest:
    """An image manifest, or an index of them."""

    media_type: str
    digest: Digest
    config: Descriptor | None
    """``None`` for an index."""
    layers: tuple[Descriptor, ...]
    manifests: tuple[Descriptor, ...]
    """Of an index."""
    subject: Digest | None
    """What this one is about: a signature names its image."""
    annotations: Mapping[str, str]
    artifact_type: str = ""

    @property
    def is_index(self) -> bool:
        """Whether it lists manifests."""
        return self.config is None

    @classmethod
    def read(cls, data: bytes, digest: Digest, media_type: str = "") -> Self:
        """Read bytes whose digest was checked.

        Raises:
            VerificationError: They are no manifest, or its kind is not the one that was said.
        """
        value = canonical.loads(data, what="the manifest", limit=MAX_MANIFEST)
        fields = Fields(value, _WHAT)
        said = fields.text("mediaType", limit=255) if fields.has("mediaType") else media_type
        if media_type and said != media_type:
            raise fields.refuse(f"it is {said!r}, and was said to be {media_type!r}")
        index = fields.has("manifests")
        if index == fields.has("layers"):
            raise fields.refuse("it must have layers, or manifests, and not both")
        subject = Descriptor.read(fields.any("subject")).digest if fields.has("subject") else None
        key = "manifests" if index else "layers"
        parts = tuple(map(Descriptor.read, fields.array(key, limit=MAX_PARTS)))
        return cls(
            said or (INDEX if index else IMAGE),
            digest,
            None if index else Descriptor.read(fields.any("config")),
            () if index else parts,
            parts if index else (),
            subject,
            _texts(fields, "annotations"),
            fields.text("artifactType", limit=255) if fields.has("artifactType") else "",
        )


def _texts(fields: Fields, name: str) -> dict[str, str]:
    found = fields.object(name) if fields.has(name) else {}
    return {key[:300]: value for key, value in found.items() if isinstance(value, str)}


@dataclass(frozen=True, slots=True)
class Reference:
    """An image in a registry."""

    host: str
    name: str
    tag: str | None = None
    digest: Digest | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``host/name:tag@digest``; the host is never guessed.

        Raises:
            UsageError: It is none.
        """
        found = _REFERENCE.fullmatch(text) if len(text) < 1_000 else None  # noqa: PLR2004 - bytes
        host = found["host"] if found else ""
        if found is None or not (set(".:[") & set(host) or host == "localhost"):
            raise UsageError(
                "not an image reference",
                where=text[:100],
                next_step="write registry.example/name:tag, or name a path that is there",
                slug="bad-reference",
            )
        digest = Digest.parse(found["digest"]) if found["digest"] else None
        return cls(host, found["name"], found["tag"], digest)

    @property
    def repository(self) -> str:
        """Host and name."""
        return f"{self.host}/{self.name}"


class ImageSource(Protocol):
    """Where manifests and blobs come from. What it returns has the digest that was asked for."""

    def manifest(self, digest: Digest, media_type: str = "") -> Manifest:
        """Return a manifest.

        Raises:
            VerificationError: It is not there, or is not what its digest says.
        """
        ...

    def blob(self, descriptor: Descriptor) -> bytes:
        """Return a small blob whole.

        Raises:
            VerificationError: It is not there, too large, or not what its digest says.
        """
        ...

    def stream(self, descriptor: Descriptor) -> Iterator[bytes]:
        """Yield a large blob; what is wrong with it is raised by the end.

        Raises:
            VerificationError: It is not there, or is not what its digest says.
        """
        ...

    def tagged(self, tag: str) -> Sequence[Descriptor]:
        """Return what a tag names; nothing where there is none."""
        ...

    def referrers(self, digest: Digest) -> Sequence[Descriptor]:
        """Return the manifests that say that they are about another."""
        ...
