"""CVSS 3.0 and 3.1 base scores from their vectors (FIRST, CVSS v3.1 specification, section 7.1).

>>> base_score("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H")
9.8
>>> base_score("CVSS:3.1/AV:L/AC:H/PR:N/UI:N/S:U/C:L/I:N/A:N")
2.9
"""

from typing import Final

_AV: Final = {"N": 0.85, "A": 0.62, "L": 0.55, "P": 0.2}
_AC: Final = {"L": 0.77, "H": 0.44}
_PR: Final = {"N": (0.85, 0.85), "L": (0.62, 0.68), "H": (0.27, 0.5)}
_UI: Final = {"N": 0.85, "R": 0.62}
_CIA: Final = {"H": 0.56, "L": 0.22, "N": 0.0}
_LONGEST: Final = 500


def base_score(vector: str) -> float | None:
    """Return the base score from 0 to 10; nothing where it is no vector of version 3."""
    version, *parts = vector[:_LONGEST].split("/")
    if version not in {"CVSS:3.0", "CVSS:3.1"}:
        return None
    given = {name: value for name, _, value in (part.partition(":") for part in parts)}
    try:
        changed = {"U": 0, "C": 1}[given["S"]]
        ease = 8.22 * _AV[given["AV"]] * _AC[given["AC"]]
        ease *= _PR[given["PR"]][changed] * _UI[given["UI"]]
        confidentiality, integrity, availability = (_CIA[given[name]] for name in "CIA")
    except KeyError:
        return None
    base = 1 - (1 - confidentiality) * (1 - integrity) * (1 - availability)
    impact = 6.42 * base
    if changed:
        impact = 7.52 * (base - 0.029) - 3.25 * (base - 0.02) ** 15
    if impact <= 0:
        return 0.0
    return _round_up(min(10.0, (impact + ease) * (1.08 if changed else 1.0)))


def _round_up(score: float) -> float:
    # Appendix A: by whole numbers, so that 4.02 becomes 4.1 on every machine.
    scaled = round(score * 100_000)
    return scaled / 100_000 if scaled % 10_000 == 0 else (scaled // 10_000 + 1) / 10
