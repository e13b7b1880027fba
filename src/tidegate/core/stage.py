"""The seven stages and three outcomes that everything else speaks of.

>>> Stage.TRAIN.earlier
(<Stage.INGEST: 'ingest'>, <Stage.PREPARE: 'prepare'>)
"""

from enum import StrEnum


class Stage(StrEnum):
    """A stage of the pipeline, in order."""

    INGEST = "ingest"
    PREPARE = "prepare"
    TRAIN = "train"
    VALIDATE = "validate"
    REGISTRY = "registry"
    SERVE = "serve"
    MONITOR = "monitor"

    @property
    def code(self) -> str:
        """The three letters in control ids."""
        return _CODES[self]

    @property
    def earlier(self) -> tuple["Stage", ...]:
        """The stages before this one."""
        stages = tuple(Stage)
        return stages[: stages.index(self)]


_CODES = {
    Stage.INGEST: "ING",
    Stage.PREPARE: "PRE",
    Stage.TRAIN: "TRN",
    Stage.VALIDATE: "VAL",
    Stage.REGISTRY: "REG",
    Stage.SERVE: "SRV",
    Stage.MONITOR: "MON",
}


class Outcome(StrEnum):
    """What a gate decides. What could not be checked is never ``allow``."""

    ALLOW = "allow"
    DENY = "deny"
    UNDECIDED = "undecided"

    @property
    def exit_code(self) -> int:
        """The process exit code that stands for it."""
        return {Outcome.ALLOW: 0, Outcome.DENY: 1, Outcome.UNDECIDED: 4}[self]


def worst(*outcomes: Outcome) -> Outcome:
    """Combine: deny beats undecided beats allow; nothing at all is undecided.

    >>> worst(Outcome.ALLOW, Outcome.UNDECIDED)
    <Outcome.UNDECIDED: 'undecided'>
    >>> worst()
    <Outcome.UNDECIDED: 'undecided'>
    """
    if Outcome.DENY in outcomes:
        return Outcome.DENY
    if Outcome.UNDECIDED in outcomes or not outcomes:
        return Outcome.UNDECIDED
    return Outcome.ALLOW
