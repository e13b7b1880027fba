"""Where a Kubernetes object names models and images: each place, with its path.

The walk is the same for every kind, because a model is named by the same few fields everywhere:
``storageUri`` and ``storageUris`` (KServe), ``model.uri`` and adapters' ``uri`` (its
LLMInferenceService), image volumes, modelcar and storage-initializer containers (Pods and all that
hold a pod template), ``serveConfigV2`` (RayService). It is bounded in depth and count, and what it
can't read is refused: an object that is too deep to be looked at is not let in.

>>> spec = {"predictor": {"model": {"storageUri": "s3://models/credit"}}}
>>> [(one.uri, one.where) for one in find_references({"spec": spec})]
[('s3://models/credit', 'spec.predictor.model.storageUri')]
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import yaml

from tidegate.core.canonical import Json
from tidegate.core.errors import SubjectError

MAX_DEPTH: Final = 40
MAX_NODES: Final = 50_000
MAX_REFERENCES: Final = 500
_MAX_URI: Final = 2_048
_MAX_CONFIG: Final = 64 * 1024
_CONTAINERS: Final = ("containers", "initContainers", "ephemeralContainers")
_SKIPPED: Final = frozenset({"status", "managedFields"})
_RAY_MODELS: Final = frozenset({"model_source", "model_uri", "storage_uri", "bucket_uri"})
_MODEL_ENV: Final = frozenset({"STORAGE_URI", "MODEL_URI"})


class Kind(StrEnum):
    """What a reference names."""

    MODEL = "model"
    IMAGE = "image"


@dataclass(frozen=True, slots=True)
class Reference:
    """A model or an image that an object names."""

    uri: str
    """As it is written; of an image, without a scheme."""
    where: str
    """Path of the field: ``spec.predictor.model.storageUri``."""
    kind: Kind

    @property
    def digest(self) -> str | None:
        """``sha256:…`` where the reference itself pins its content."""
        _, at, digest = self.uri.rpartition("@")
        hexadecimal = digest.removeprefix("sha256:")
        whole = digest.startswith("sha256:") and len(hexadecimal) == 64  # noqa: PLR2004 - SHA-256
        return digest if at and whole and set(hexadecimal) <= set("0123456789abcdef") else None

    @property
    def scheme(self) -> str:
        """``s3``; empty for an image."""
        scheme, separator, _ = self.uri.partition("://")
        return scheme if separator else ""


def find_references(body: Mapping[str, Json]) -> tuple[Reference, ...]:
    """Return every model and image that an object names, in the order of its fields.

    Raises:
        SubjectError: It is too deep or too large to be looked at, or a reference is no text.
    """
    found: dict[tuple[str, str], Reference] = {}
    for path, node in _nodes(body):
        for reference in _of(path, node):
            found.setdefault((reference.uri, reference.where), reference)
            if len(found) > MAX_REFERENCES:
                raise _refused("it names too many models and images", path)
    return tuple(found.values())


def _nodes(body: Mapping[str, Json]) -> Iterator[tuple[str, Mapping[str, Json]]]:
    todo: list[tuple[str, Json, int]] = [("", body, 0)]
    seen = 0
    while todo:
        path, node, depth = todo.pop()
        seen += 1
        if depth > MAX_DEPTH or seen > MAX_NODES:
            raise _refused("it is too deep or too large to be looked at", path)
        if isinstance(node, Mapping):
            yield path, node
            inner = [(f"{path}.{key}" if path else key, item) for key, item in node.items()
                     if key not in _SKIPPED]  # fmt: skip
            todo += [(where, item, depth + 1) for where, item in reversed(inner)]
        elif isinstance(node, list):
            items = [(f"{path}[{at}]", item) for at, item in enumerate(node)]
            todo += [(where, item, depth + 1) for where, item in reversed(items)]


def _of(path: str, node: Mapping[str, Json]) -> Iterator[Reference]:
    """Yield what one object of the tree names by fields of its own."""
    last = path.rpartition(".")[2].partition("[")[0]
    if "storageUri" in node:
        yield _model(node["storageUri"], f"{path}.storageUri")
    for at, item in enumerate(_list(node.get("storageUris"))):
        uri = item.get("uri") if isinstance(item, Mapping) else item
        yield _model(uri, f"{path}.storageUris[{at}]")
    if last in {"model", "adapters"} and "uri" in node:
        yield _model(node["uri"], f"{path}.uri")
    if last == "storage" and isinstance(node.get("path"), str) and "key" in node:
        yield _model(f"storage://{node['key']}/{node['path']}", f"{path}.path")
    if last == "volumes" and isinstance(node.get("image"), Mapping):
        image = node["image"]
        uri = image.get("reference") if isinstance(image, Mapping) else None
        yield _model(f"oci://{_text(uri, path)}", f"{path}.image.reference")
    for group in _CONTAINERS:
        for at, container in enumerate(_list(node.get(group))):
            if isinstance(container, Mapping):
                yield from _container(container, f"{path}.{group}[{at}]".lstrip("."))
    if "serveConfigV2" in node:
        yield from _ray(node["serveConfigV2"], f"{path}.serveConfigV2")


def _container(container: Mapping[str, Json], path: str) -> Iterator[Reference]:
    name = str(container.get("name", ""))
    if "image" in container:
        image = _text(container["image"], f"{path}.image")
        if name.startswith("modelcar"):
            yield _model(f"oci://{image}", f"{path}.image")
        else:
            yield Reference(image, f"{path}.image", Kind.IMAGE)
    if name.startswith("storage-initializer"):
        # KServe writes pairs: from where, to where.
        for at, uri in list(enumerate(_list(container.get("args"))))[::2]:
            yield _model(uri, f"{path}.args[{at}]")
    for at, item in enumerate(_list(container.get("env"))):
        if isinstance(item, Mapping) and item.get("name") in _MODEL_ENV:
            yield _model(item.get("value"), f"{path}.env[{at}]")


def _ray(config: Json, path: str) -> Iterator[Reference]:
    text = _text(config, path, limit=_MAX_CONFIG)
    try:
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text, yaml.SafeLoader)):
            raise _refused("its YAML has aliases, which are not followed", path)
        document = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError):
        raise _refused("its YAML can't be read", path) from None
    if not isinstance(document, Mapping):
        return
    for where, node in _nodes(document):
        for key, value in node.items():
            remote = key == "working_dir" and "://" in str(value)
            if isinstance(value, str) and (key in _RAY_MODELS or remote):
                yield _model(value, f"{path}:{where}.{key}")


def _model(value: Json, path: str) -> Reference:
    return Reference(_text(value, path), path.lstrip("."), Kind.MODEL)


def _text(value: Json, path: str, *, limit: int = _MAX_URI) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= limit or not value.strip():
        raise _refused("what it names is no text that can be checked", path)
    return value


def _list(value: Json) -> Sequence[Json]:
    return value if isinstance(value, list) else ()


def _refused(why: str, path: str) -> SubjectError:
    return SubjectError(
        "the object can't be examined",
        where=path.lstrip(".")[:200] or "object",
        cause=why,
        next_step="simplify the object",
        slug="unreadable-object",
    )
