"""The command line: one file a command group, loaded when its command is called.

``GROUPS`` is the whole list; a group's module is ``tidegate.cli.<name>`` and its application is
``app``. Nothing of a group is imported for ``--help`` or for another command.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cyclopts import App, Group


@dataclass(frozen=True, slots=True)
class CommandGroup:
    """One command of the first level."""

    name: str
    panel: str
    """Under which heading the help lists it."""
    help: str
    """One line."""

    @property
    def target(self) -> str:
        """Where its application is: ``module:attribute``."""
        return f"tidegate.cli.{self.name}:app"


_START, _GATES, _PROOF, _PEOPLE, _TOOLS, _OPTIONS = (
    "Start here",
    "Gates, in the order of the pipeline",
    "Evidence and proof",
    "People, keys and policy",
    "Tools",
    "Options",
)

GROUPS: tuple[CommandGroup, ...] = (
    CommandGroup("demo", _START, "Run a pipeline through all seven gates, attacks included."),
    CommandGroup("scan", _START, "Say what model files would do when loaded; nothing is run."),
    CommandGroup("deps", _START, "Check what code installs: locks, origins, names, advisories."),
    CommandGroup("image", _START, "Check what images stand on, hold, and are signed by."),
    CommandGroup("bom", _START, "Bills of materials: make, show, check, compare, score, convert."),
    CommandGroup("init", _START, "Start a workspace here."),
    CommandGroup("doctor", _START, "Check keys, clock, store, log and optional engines."),
    CommandGroup("ingest", _GATES, "Register sources and admit data."),
    CommandGroup("prepare", _GATES, "Run a transform over admitted data."),
    CommandGroup("train", _GATES, "Train in a confined process on admitted inputs."),
    CommandGroup("validate", _GATES, "Judge a model on two independent validation sets."),
    CommandGroup("registry", _GATES, "Scan, sign, admit and promote models."),
    CommandGroup("serve", _GATES, "Check deployments; run the gateway or the admission webhook."),
    CommandGroup("monitor", _GATES, "Compare live traffic with the reference profile."),
    CommandGroup(
        "verify", _PROOF, "Walk from an artifact back to its sources and check each step."
    ),
    CommandGroup("log", _PROOF, "Read, prove, check and export the ledger."),
    CommandGroup("graph", _PROOF, "Lineage: trace what is under, taint what is derived."),
    CommandGroup("evidence", _PROOF, "Export evidence that verifies offline."),
    CommandGroup("drill", _PROOF, "Attack the gates and see them hold."),
    CommandGroup("keys", _PEOPLE, "Create, list and rotate keys."),
    CommandGroup("trust", _PEOPLE, "Say whose keys count, for what, and from when not."),
    CommandGroup("policy", _PEOPLE, "Check, test, sign and try out policy."),
    CommandGroup("approve", _PEOPLE, "Sign an approval."),
    CommandGroup("waive", _PEOPLE, "Sign an exception that expires."),
    CommandGroup("quarantine", _PEOPLE, "Hold an artifact and all that derives from it."),
    CommandGroup("model", _TOOLS, "Sign, check and compare models without a workspace."),
    CommandGroup("explain", _TOOLS, "Tell about a control, a rule or an error code."),
    CommandGroup("config", _TOOLS, "Check and show the configuration and where it comes from."),
    CommandGroup("db", _TOOLS, "Upgrade, back up, restore and rebuild the store."),
    CommandGroup("completion", _TOOLS, "Write a completion script for a shell."),
)
"""Every command of the first level, in the order of the help."""

DESCRIPTION = (
    "Gates, proofs and watch over the whole AI pipeline, from data to deployment. "
    "Works offline; sends nothing anywhere."
)
EXIT_CODES = (
    "Exit codes: 0 allow, 1 deny, 2 usage or configuration, 3 nothing examined, 4 undecided, "
    "5 does not verify, 6 store or remote unavailable, 70 our bug, 130 interrupted."
)


def build_app(groups: Iterable[CommandGroup] = GROUPS) -> "App":
    """Return the application with its commands registered, none of them imported."""
    from cyclopts import App  # noqa: PLC0415 - keeps --version light

    from tidegate.cli.console import HelpConsole  # noqa: PLC0415 - same
    from tidegate.version import __version__  # noqa: PLC0415 - same

    app = App(
        name="tidegate",
        help=DESCRIPTION,
        help_epilogue=EXIT_CODES,
        version=__version__,
        console=HelpConsole(),
        help_flags=("--help", "-h"),
        result_action="return_value",
        exit_on_error=False,
        print_error=False,
        suppress_keyboard_interrupt=False,
    )
    panels = _panels()
    for flag in ("--help", "--version"):
        app[flag].group = panels[_OPTIONS]
    for rank, group in enumerate(groups):
        app.command(
            group.target,
            name=group.name,
            help=group.help,
            group=panels[group.panel],
            sort_key=rank,
        )
    return app


def describe(app: "App", words: Iterable[str]) -> None:
    """Let the help of the command that is called say all that the command itself says.

    A line is given where a command is listed, so that nothing is imported for the list. This
    imports the commands on the way.

    Args:
        app: Where the words begin.
        words: What was typed; what is no command ends it.
    """
    for word in words:
        if word.startswith("-") or word not in app:
            return
        app = app[word]
        if app.default_command is not None:
            app.help = None  # then cyclopts reads the function's own text


@cache
def _panels() -> dict[str, "Group"]:
    # cyclopts tells panels apart by identity, and a command keeps the panel that it was given.
    from cyclopts import Group  # noqa: PLC0415 - keeps --version light

    names = (_START, _GATES, _PROOF, _PEOPLE, _TOOLS, _OPTIONS)
    return {name: Group(name, sort_key=rank) for rank, name in enumerate(names)}
