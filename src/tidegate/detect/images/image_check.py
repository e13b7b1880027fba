"""Judge an image: its content against its digests, its configuration, and who signed it."""

import hashlib
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from tidegate.core import canonical
from tidegate.core.canonical import Json
from tidegate.core.digest import Digest
from tidegate.core.errors import VerificationError
from tidegate.core.finding import Coverage, Finding, Location, Skipped
from tidegate.core.identity.keys import PublicKey
from tidegate.detect.images.dockerfile_check import split_image
from tidegate.detect.images.rules import ImageWants, finding
from tidegate.detect.images.secrets import named_secret, valued_secret
from tidegate.interop.cosign import Verdict, verify_image
from tidegate.interop.oci.model import MAX_BLOB, Descriptor, ImageSource, Manifest

MAX_EXPANDED: Final = 64 << 30
"""Bytes that the layers of an image may expand to."""
_MAX_PLATFORMS: Final = 64
_MAX_HISTORY: Final = 2_000
_CONFIGS: Final = frozenset(
    {
        "application/vnd.oci.image.config.v1+json",
        "application/vnd.docker.container.image.v1+json",
    }
)
_GZIP: Final = re.compile(r"(?:\+|\.)gzip$")
_PLAIN: Final = re.compile(r"\.tar$|\.v1\.tar$")
_BASE_NAME: Final = "org.opencontainers.image.base.name"
_BASE_DIGEST: Final = "org.opencontainers.image.base.digest"
_ATTESTATION: Final = "attestation-manifest"
_ENV: Final = re.compile(r"(?:/bin/sh -c #\(nop\) +)?ENV ")
_SET: Final = re.compile(r"\b([A-Za-z_][A-Za-z0-9_]*)=\S")


@dataclass(slots=True)
class ImageReport:
    """What was found of one image."""

    name: str
    digest: Digest
    findings: list[Finding] = field(default_factory=list[Finding])
    gaps: list[Skipped] = field(default_factory=list[Skipped])
    manifests: int = 0
    layers: int = 0
    verdict: Verdict | None = None
    """``None`` where no keys were given."""

    @property
    def coverage(self) -> Coverage:
        """Manifests that were examined, and what could not be told."""
        planned = self.manifests + len(self.gaps)
        return Coverage(planned, self.manifests, tuple(self.gaps), (), unit="manifest")

    def facts(self) -> Mapping[str, bool | int | float | str]:
        """Return what policy decides on."""
        verdict = self.verdict
        return {
            "manifests": self.manifests,
            "layers": self.layers,
            "signed": bool(verdict and verdict.signed),
            "attestations": len(verdict.predicates) if verdict else 0,
        }


def check_image(
    source: ImageSource,
    top: Descriptor,
    name: str,
    wanted: ImageWants,
    *,
    keys: Sequence[PublicKey] = (),
    layers: bool = True,
) -> ImageReport:
    """Judge an image.

    Args:
        source: Where it is.
        top: Its manifest, or an index of one for each platform.
        name: How findings call it.
        wanted: What the workspace wants.
        keys: Whose signatures count; without any, none is looked for.
        layers: Whether layers are read and checked against their digests.

    Raises:
        RemoteError: The registry can't be asked.
        AccessError: It refuses.
    """
    report = ImageReport(name, top.digest)
    if keys:
        _signatures(source, report, keys)
    _manifest(source, top, report, wanted, layers=layers, depth=0)
    return report


def _signatures(source: ImageSource, report: ImageReport, keys: Sequence[PublicKey]) -> None:
    place = Location(report.name)
    try:
        verdict = verify_image(source, report.digest, keys)
    except VerificationError as error:
        report.findings.append(finding("bad-signature", str(error), place))
        return
    report.verdict = verdict
    for why in verdict.refused:
        report.findings.append(finding("bad-signature", why, place))
    if not verdict.signed:
        others = f"; {verdict.foreign} by keys that are not listed" if verdict.foreign else ""
        message = f"no listed key signed {report.digest.short}{others}"
        report.findings.append(finding("unsigned", message, place))


def _manifest(
    source: ImageSource,
    one: Descriptor,
    report: ImageReport,
    wanted: ImageWants,
    *,
    layers: bool,
    depth: int,
) -> None:
    place = Location(f"{report.name}!{one.digest.short}")
    try:
        manifest = source.manifest(one.digest)
    except VerificationError as error:
        _mismatch(report, place, error)
        return
    if manifest.is_index:
        if depth or len(manifest.manifests) > _MAX_PLATFORMS:
            report.gaps.append(
                Skipped(str(place), "an index inside an index, or too many platforms")
            )
            return
        for inner in manifest.manifests:
            if inner.annotations.get("vnd.docker.reference.type") != _ATTESTATION:
                _manifest(source, inner, report, wanted, layers=layers, depth=1)
        return
    try:
        _image(source, manifest, report, wanted, place, layers=layers)
    except VerificationError as error:
        _mismatch(report, place, error)
    report.manifests += 1


def _mismatch(report: ImageReport, place: Location, error: VerificationError) -> None:
    where = f" ({error.where})" if error.where else ""
    message = f"{error.problem}{where}{f': {error.cause}' if error.cause else ''}"
    report.findings.append(finding("digest-mismatch", message, place))


def _image(
    source: ImageSource,
    manifest: Manifest,
    report: ImageReport,
    wanted: ImageWants,
    place: Location,
    *,
    layers: bool,
) -> None:
    told = report.findings
    config: Json = {}
    described = manifest.config
    if described is not None and described.media_type in _CONFIGS:
        config = canonical.loads(source.blob(described), what="the configuration", limit=MAX_BLOB)
        config = config if isinstance(config, Mapping) else {}
        told += _configuration(config, place)
        told += _stands_on(manifest, config, place, wanted)
    for layer in manifest.layers:
        if layer.urls:
            told.append(finding("foreign-layer", f"a layer lies at {layer.urls[0][:100]}", place))
    if layers:
        _layers(source, manifest, config, report, place)


def _configuration(config: Mapping[str, Json], place: Location) -> Iterator[Finding]:
    inner = config.get("config")
    settings: Mapping[str, Json] = inner if isinstance(inner, Mapping) else {}
    user = str(settings.get("User") or "").partition(":")[0]
    if user.lower() in {"", "root", "0"}:
        yield finding("root-user", "the image runs as root", place)
    listed = settings.get("Env")
    for pair in listed if isinstance(listed, list) else []:
        name, _, value = str(pair).partition("=")
        if value and (named_secret(name) or valued_secret(value)):
            yield finding("secret", f"the variable {name[:60]} holds a secret", place)
    history = config.get("history")
    for number, step in enumerate(history[:_MAX_HISTORY] if isinstance(history, list) else []):
        text = str(step.get("created_by", "")) if isinstance(step, Mapping) else ""
        # Variables of ENV stand in the configuration, too, and were told.
        kept = _ENV.match(text) is not None
        named = [] if kept else [one for one in _SET.findall(text[:65_536]) if named_secret(one)]
        if named or (not kept and valued_secret(text)):
            what = f"{named[0][:60]} and its value" if named else "what looks like a secret"
            yield finding("secret", f"step {number + 1} of its history shows {what}", place)


def _stands_on(
    manifest: Manifest, config: Mapping[str, Json], place: Location, wanted: ImageWants
) -> Iterator[Finding]:
    inner = config.get("config")
    labels = inner.get("Labels") if isinstance(inner, Mapping) else None
    told = {**(labels if isinstance(labels, Mapping) else {}), **manifest.annotations}
    name, digest = told.get(_BASE_NAME), told.get(_BASE_DIGEST)
    if not isinstance(name, str) or not isinstance(digest, str):
        yield finding("base-unstated", "it does not say which image it stands on", place)
    if isinstance(name, str) and name and not wanted.lists(split_image(name)[0]):
        yield finding("base-registry", f"{name[:100]} is in no listed registry", place)


def _layers(
    source: ImageSource,
    manifest: Manifest,
    config: Mapping[str, Json],
    report: ImageReport,
    place: Location,
) -> None:
    rootfs = config.get("rootfs")
    listed = rootfs.get("diff_ids") if isinstance(rootfs, Mapping) else None
    wanted = [str(one) for one in listed] if isinstance(listed, list) else []
    if wanted and len(wanted) != len(manifest.layers):
        message = f"{len(manifest.layers)} layers, and the configuration names {len(wanted)}"
        report.findings.append(finding("digest-mismatch", message, place))
        wanted = []
    for number, layer in enumerate(manifest.layers):
        if layer.urls:
            report.gaps.append(Skipped(str(layer.digest), "it lies at an address elsewhere"))
            continue
        try:
            found = _content(source, layer)
        except VerificationError as error:
            _mismatch(report, place, error)
            continue
        report.layers += 1
        if found is None:
            if wanted:
                report.gaps.append(
                    Skipped(str(layer.digest), f"{layer.media_type} is not unpacked")
                )
        elif wanted and found != wanted[number]:
            message = f"layer {number + 1} unpacks to other content than the configuration names"
            report.findings.append(finding("digest-mismatch", message, place))


def _content(source: ImageSource, layer: Descriptor) -> str | None:
    """Read a layer to its end; return the digest of what it unpacks to, where that can be told."""
    unpacked = hashlib.sha256()
    if _PLAIN.search(layer.media_type):
        for piece in source.stream(layer):
            unpacked.update(piece)
        return f"sha256:{unpacked.hexdigest()}"
    if not _GZIP.search(layer.media_type):
        for _ in source.stream(layer):
            pass
        return None
    spent = 0
    opened = zlib.decompressobj(wbits=31)
    for piece in source.stream(layer):
        rest = piece
        while rest:
            try:
                data = opened.decompress(rest, 1 << 20)
            except zlib.error as error:
                raise VerificationError(
                    "a layer can't be unpacked", where=str(layer.digest), cause=str(error),
                    slug="image-content",
                ) from None  # fmt: skip
            spent += len(data)
            if spent > MAX_EXPANDED:
                raise VerificationError(
                    f"a layer expands to more than {MAX_EXPANDED} bytes", where=str(layer.digest),
                    slug="image-content",
                )  # fmt: skip
            unpacked.update(data)
            rest = opened.unconsumed_tail
            if opened.eof:
                # Several members in one file are one content.
                rest, opened = opened.unused_data, zlib.decompressobj(wbits=31)
    return f"sha256:{unpacked.hexdigest()}"
