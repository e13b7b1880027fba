"""The error tree: every failure says what, where, why, and what to do next.

::

    TidegateError            70  our bug, when raised bare
    ├── UsageError            2  a request that makes no sense
    ├── ConfigError           2  tidegate.toml or the environment
    ├── PolicyError           2  a policy bundle that can't be loaded (a denial is a Decision)
    ├── AccessError           1  the principal may not do this
    ├── SubjectError          2  a path or reference that can't be an artifact
    │   ├── EmptySubject      3  nothing there to examine
    │   └── UnreadableSubject 4  it is there, and can't be read or trusted to be stable
    ├── CheckError            4  a check could not run to its end: undecided, never a pass
    ├── VerificationError     5  something does not match what was signed
    │   ├── SignatureError
    │   ├── TrustError
    │   ├── ProofError
    │   └── FreshnessError
    ├── LedgerError           5  the log contradicts itself or what a client remembers
    │   ├── ForkError
    │   └── RollbackError
    ├── StoreError            6  the store can't be used now
    │   ├── SchemaError
    │   └── BusyError
    └── RemoteError           6  another system can't be reached

A denial is data (a ``Decision``); only inability is an exception.

>>> error = SubjectError("no such file", where="model.pkl", next_step="check the path")
>>> error.code, error.exit_code
('TG-SUB', 2)
"""

from typing import ClassVar


class TidegateError(Exception):
    """Base of every error that Tidegate raises on purpose.

    Args:
        problem: What is wrong, in one sentence, without a trailing full stop.
        where: The path, key, table, entry or field that it is about.
        cause: What led to it, where that is known and safe to tell.
        next_step: One thing that the reader can do now.
        slug: Names the case within the class: ``TG-CFG`` + ``unknown-key`` gives the stable
            error code ``TG-CFG/unknown-key``.
    """

    family: ClassVar[str] = "TG-BUG"
    exit_code: ClassVar[int] = 70

    def __init__(
        self,
        problem: str,
        *,
        where: str | None = None,
        cause: str | None = None,
        next_step: str | None = None,
        slug: str | None = None,
    ) -> None:
        super().__init__(problem)
        self.problem = problem
        self.where = where
        self.cause = cause
        self.next_step = next_step
        self.slug = slug

    @property
    def code(self) -> str:
        """The stable error code, such as ``TG-CFG/unknown-key``."""
        return f"{self.family}/{self.slug}" if self.slug else self.family

    def __str__(self) -> str:
        parts = [self.problem]
        if self.where:
            parts.append(f"at {self.where}")
        if self.cause:
            parts.append(f"because {self.cause}")
        return ", ".join(parts)


class UsageError(TidegateError):
    """The request itself makes no sense."""

    family = "TG-USE"
    exit_code = 2


class ConfigError(TidegateError):
    """``tidegate.toml`` or an environment variable is wrong."""

    family = "TG-CFG"
    exit_code = 2


class PolicyError(TidegateError):
    """A policy bundle can't be loaded, compiled or trusted."""

    family = "TG-POL"
    exit_code = 2


class AccessError(TidegateError):
    """The principal lacks the role, key or approval for this act."""

    family = "TG-ACC"
    exit_code = 1


class SubjectError(TidegateError):
    """A path or reference can't be an artifact."""

    family = "TG-SUB"
    exit_code = 2


class EmptySubject(SubjectError):  # noqa: N818 - named for the state, as the field does
    """There is nothing to examine, which is not the same as clean."""

    exit_code = 3


class UnreadableSubject(SubjectError):  # noqa: N818 - named for the state
    """It exists, and can't be read, or changed while it was read."""

    exit_code = 4


class CheckError(TidegateError):
    """A check could not run to its end; the gate reads it as undecided."""

    family = "TG-CHK"
    exit_code = 4


class VerificationError(TidegateError):
    """Something does not match what was signed, logged or trusted."""

    family = "TG-VER"
    exit_code = 5


class SignatureError(VerificationError):
    """A signature does not verify over the bytes in hand."""


class TrustError(VerificationError):
    """The signature verifies, and its key is not trusted for this, at that time."""


class ProofError(VerificationError):
    """An inclusion or consistency proof, or a checkpoint, does not verify."""


class FreshnessError(VerificationError):
    """The evidence verifies, and is too old."""


class LedgerError(TidegateError):
    """The log contradicts itself."""

    family = "TG-LOG"
    exit_code = 5


class ForkError(LedgerError):
    """Two signed heads of one log can't both be true."""


class RollbackError(LedgerError):
    """The log is shorter than a head that was seen before."""


class StoreError(TidegateError):
    """The store can't be opened, read or written."""

    family = "TG-STO"
    exit_code = 6


class SchemaError(StoreError):
    """The store has a schema that this version can't use."""


class BusyError(StoreError):
    """Another process holds what is needed."""


class RemoteError(TidegateError):
    """Another system can't be reached, or answers with nonsense."""

    family = "TG-NET"
    exit_code = 6


EXIT_PRECEDENCE: tuple[int, ...] = (70, 2, 6, 5, 1, 4, 3, 0)
"""Which exit code wins when one run has several reasons to fail."""


def worst_exit_code(*codes: int) -> int:
    """Return the code that wins when several apply.

    >>> worst_exit_code(0, 4, 1)
    1
    """
    return min(codes, key=EXIT_PRECEDENCE.index, default=0)
