"""Roles: what a principal's key may sign.

A producer hands material in and may sign statements of its own about it, but admits nothing; an
auditor only reads. That one person should not hold two roles at once is policy, not code.

>>> Role.TRAINER in SIGNERS[Stage.TRAIN]
True
>>> sorted(SIGNERS[Stage.SERVE])
[<Role.OPERATOR: 'operator'>, <Role.RELEASER: 'releaser'>]
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from tidegate.core.stage import Stage


class Role(StrEnum):
    """What a principal does in the pipeline."""

    PRODUCER = "producer"
    """Hands in data, code or models from outside."""
    STEWARD = "steward"
    """Answers for data: admits it, and what is prepared from it."""
    TRAINER = "trainer"
    """Runs transforms and trainings."""
    VALIDATOR = "validator"
    """Judges models against data that the trainer did not choose."""
    RELEASER = "releaser"
    """Puts models into the registry, and promotes them."""
    OPERATOR = "operator"
    """Deploys, watches, quarantines and rolls back."""
    AUDITOR = "auditor"
    """Reads everything, signs no gate statement."""


SIGNERS: Mapping[Stage, frozenset[Role]] = MappingProxyType(
    {
        Stage.INGEST: frozenset({Role.STEWARD}),
        Stage.PREPARE: frozenset({Role.STEWARD, Role.TRAINER}),
        Stage.TRAIN: frozenset({Role.TRAINER}),
        Stage.VALIDATE: frozenset({Role.VALIDATOR}),
        Stage.REGISTRY: frozenset({Role.RELEASER}),
        Stage.SERVE: frozenset({Role.RELEASER, Role.OPERATOR}),
        Stage.MONITOR: frozenset({Role.OPERATOR}),
    }
)
"""Which roles may sign a stage's gate statements; one of them is enough."""
