"""Options of commands that run a command: what goes in, what comes out, how it is confined."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from tidegate.cli.options import Gating, Targets, Texts
from tidegate.config.model import Isolation
from tidegate.core.errors import UsageError

if TYPE_CHECKING:
    from tidegate.app.produce import CommandRequest


@dataclass(frozen=True, kw_only=True)
class Wrapping(Gating):
    """What prepare and train take; ``--output`` is the command's folder here."""

    output: Annotated[Targets, Parameter(name="--report-file")] = ()
    """File for the report format at the same place in the list; - or none is standard output."""
    input: Texts = ()
    """An input as NAME=PATH; the command finds it as $TIDEGATE_INPUTS/NAME."""
    folder: Annotated[Path | None, Parameter(name="--output")] = None
    """A new folder for what the command leaves in $TIDEGATE_OUTPUT."""
    code: Path = Path()
    """Folder of the command's code, which becomes its working directory."""
    param: Texts = ()
    """A parameter as NAME=VALUE; signed, and given as $TIDEGATE_PARAM_NAME."""
    tier: Isolation | None = None
    """Weakest confinement that is accepted; the configured one where absent."""

    def request(self, argv: tuple[str, ...]) -> "CommandRequest":
        """Return the request for a command.

        Raises:
            UsageError: An input or parameter is not NAME=VALUE, comes twice, or the output folder
                is not named.
        """
        from tidegate.app.produce import CommandRequest  # noqa: PLC0415 - heavy
        from tidegate.sandbox.order import Tier  # noqa: PLC0415 - same

        if self.folder is None:
            raise UsageError(
                "no output folder is named", next_step="name a new one with --output", slug="output"
            )
        return CommandRequest(
            argv=argv,
            inputs={name: Path(path) for name, path in _pairs("--input", self.input).items()},
            output=self.folder,
            code=self.code,
            parameters=_pairs("--param", self.param),
            tier=None if self.tier is None else Tier[self.tier.name],
            dry_run=self.dry_run,
        )


def _pairs(flag: str, texts: tuple[str, ...]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator or not name or not value or name in pairs:
            raise UsageError(
                "a name comes twice" if name in pairs else "not NAME=VALUE",
                where=f"{flag} {text[:100]}",
                next_step=f"write {flag} NAME=VALUE, each name once",
                slug="bad-pair",
            )
        pairs[name] = value
    return pairs
