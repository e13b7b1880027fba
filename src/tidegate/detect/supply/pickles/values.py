"""Abstract values: what the scanner knows about an object that a pickle would build.

Nothing here is the object itself. A value keeps only what a rule asks for: the content of small
constants, the members of tuples, the string keys of dicts, and who made an opaque object.
"""

from dataclasses import dataclass, field

KEPT_ITEMS = 4_096
"""Members that a list remembers; rules need more of none."""
KEPT_KEYS = 64
"""Keys whose values a dict remembers."""
KEPT_TEXT = 4_096
"""Longest string or bytes whose content is kept."""


@dataclass(slots=True, unsafe_hash=True)
class Const:
    """None, a bool, a number, a string or bytes; never changed, and not frozen for its cost."""

    kind: str
    """``none bool int float str bytes bytearray buffer``"""
    value: bool | int | str | bytes | None = None
    """The content where it is small; ``None`` where it is not kept."""


@dataclass(slots=True, eq=False)
class Global:
    """A name that the pickle imports."""

    module: str
    name: str
    offset: int
    listed: bool = False
    """Whether any pack knows it."""
    harmless: bool = False
    """Whether it was found to be allowed as data: it is asked about wherever it is put."""
    key: str = field(init=False)
    """``module:qualified.name``, which no two globals share."""

    def __post_init__(self) -> None:
        self.key = f"{self.module}:{self.name}"

    @property
    def dotted(self) -> str:
        """As people write it."""
        return f"{self.module}.{self.name}"


@dataclass(slots=True, eq=False)
class Tuple:
    """A tuple."""

    items: "tuple[Value, ...]"
    judged: bool = False
    """Whether its members were judged as data."""


@dataclass(slots=True, eq=False)
class List:
    """A list."""

    items: "list[Value]" = field(default_factory=list["Value"])
    """The first members."""
    size: int = 0


@dataclass(slots=True, eq=False)
class Dict:
    """A dict."""

    entries: "dict[str, Value]" = field(default_factory=dict[str, "Value"])
    """The first entries whose keys are known strings."""
    dunder: str | None = None
    """A key with two leading underscores, if there is one."""
    computed: bool = False
    """Whether a key is neither a known string nor another constant."""
    state: bool = False
    """Whether it was used as an object's state."""


@dataclass(slots=True, eq=False)
class Set:
    """A set or frozenset."""

    frozen: bool = False


@dataclass(slots=True, eq=False)
class Made:
    """An object that a global made: called it, or asked its ``__new__``."""

    by: str
    """Key of the global that it counts as an instance of."""
    args: Tuple | None = None
    state: "Value | None" = None
    """What BUILD handed it last."""
    loose: bool = False
    """Whether it came from a call that no pack allows: judged already, and silent from here."""


Value = Const | Global | Tuple | List | Dict | Set | Made

NONE = Const("none")
TRUE = Const("bool", value=True)
FALSE = Const("bool", value=False)
FLOAT = Const("float")
BYTES = Const("bytes")
"""Bytes whose content is not kept."""
TEXT = Const("str")
"""A string whose content is not kept."""
