"""What the SPDX 3.0.1 writer and reader share: words of both sides, and properties of our own.

SPDX has a field for most of what the model holds. Where it has none, the element carries a
``CdxPropertiesExtension``, which SPDX 3.0.1 has for names and values of this kind. Where it has one
that holds less (a metric without its interval), both are written, and the reader believes the
property only while both agree.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from tidegate.core.canonical import Json, dumps
from tidegate.interop.bom.model import Considerations, Metric

CONTEXT: Final = "https://spdx.org/rdf/3.0.1/spdx-context.jsonld"
NO_LICENCE: Final = "expandedlicensing_NoAssertionLicense"
HASHES: Final[Mapping[str, str]] = {
    "sha256": "sha256",
    "sha384": "sha384",
    "sha512": "sha512",
    "blake2b": "blake2b512",
    "blake3": "blake3",
}
"""Our names of algorithms and SPDX's."""
PURPOSES: Final[Mapping[str, str]] = {
    "library": "library",
    "framework": "framework",
    "application": "application",
    "platform": "platform",
    "operating-system": "operatingSystem",
    "device": "device",
    "device-driver": "deviceDriver",
    "firmware": "firmware",
}
"""CycloneDX's types of components and SPDX's purposes; ``other`` for the rest."""
LEVELS: Final[Mapping[str, str]] = {
    "public": "clear",
    "internal": "green",
    "confidential": "amber",
    "restricted": "red",
}
"""Labels that have a confidentiality level of SPDX (the traffic light protocol's colours)."""
ROLES: Final[Mapping[str, str]] = {"training": "trainedOn", "test": "testedOn"}
"""Roles of data that have a relationship of their own; for others a property says which."""
BUILD_TYPE: Final = "https://tidegate.dev/build/"
"""Prefix of the build type of a stage."""


def lines(texts: Sequence[str]) -> str | None:
    """Join texts to the one that SPDX has a field for."""
    return "\n".join(texts) or None


def from_lines(text: str | None) -> tuple[str, ...]:
    """Take apart what :func:`lines` joined."""
    return tuple(line for line in (text or "").split("\n") if line)


def metric_entries(metrics: Sequence[Metric]) -> list[tuple[str, str]]:
    """Return what SPDX has a field for: names and values."""
    return [(metric.name, metric.value) for metric in metrics]


def metrics_text(metrics: Sequence[Metric], *, native: bool) -> str | None:
    """Return all of the metrics, where the field holds less, or there is none."""
    held = native and all(m == Metric(m.name, m.value) for m in metrics)
    if held or not metrics:
        return None
    return dumps([[m.name, m.value, m.low, m.high, m.part] for m in metrics]).decode()


def metrics_from(value: Json) -> tuple[Metric, ...]:
    """Read what :func:`metrics_text` wrote.

    Raises:
        ValueError: It is something else.
    """
    found = []
    for item in _list(value):
        name, figure, *rest = _list(item)
        low, high, part = rest
        if not isinstance(name, str) or not isinstance(figure, str):
            raise ValueError("a metric without name and value")  # noqa: TRY004 - one error type
        texts = [None if text is None else str(text) for text in (low, high, part)]
        found.append(Metric(name, figure, texts[0], texts[1], texts[2]))
    return tuple(found)


def considerations_text(told: Considerations, *, native: bool) -> str | None:
    """Return all of the considerations, where the two fields hold less, or there are none."""
    uses, limits = from_lines(lines(told.use_cases)), from_lines(lines(told.limitations))
    held = Considerations(use_cases=uses, limitations=limits) if native else Considerations()
    if held == told:
        return None
    pairs = [[list(pair) for pair in two] for two in (told.ethics, told.fairness)]
    plain = [list(t) for t in (told.users, told.use_cases, told.limitations, told.tradeoffs)]
    return dumps([*plain, *pairs]).decode()


def considerations_from(value: Json) -> Considerations:
    """Read what :func:`considerations_text` wrote.

    Raises:
        ValueError: It is something else.
    """
    users, uses, limits, trade, ethics, fairness = _list(value)
    plain = [tuple(str(text) for text in _list(texts)) for texts in (users, uses, limits, trade)]
    pairs = [tuple(_pair(pair) for pair in _list(two)) for two in (ethics, fairness)]
    return Considerations(plain[0], plain[1], plain[2], plain[3], pairs[0], pairs[1])


def _pair(value: Json) -> tuple[str, str]:
    name, answer = _list(value)
    return str(name), str(answer)


def _list(value: Json) -> list[Json]:
    if not isinstance(value, list):
        raise ValueError("no list")  # noqa: TRY004 - one error type for what is not ours
    return value
