"""How a report is drawn: width, colour and detail, handed in by the surface."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Style:
    """What a surface knows about its reader."""

    version: str = "0"
    """Tidegate's version, named in formats that name their tool."""
    width: int = 80
    """Columns to wrap text to."""
    colour: bool = False
    """Whether ANSI colours may be used."""
    explain: bool = False
    """Show each fact that a rule saw, and where it comes from."""
