"""The rule language behind an interface: CEL, type-checked when loaded, budgeted when run.

An expression sees flat dotted variables (``train.outcome``), each declared with its type. A fact
that is not present is left out of the binding; CEL then answers *absent* only where the value
decides, since ``true || x`` and ``false && x`` do not need ``x``.

>>> environment = CelEngine().environment({"train.age_s": FactType.INT})
>>> young = environment.compile("train.age_s < 3600")
>>> young.run(environment.bind({"train.age_s": 60})), young.run(environment.bind({}))
(True, Absent(name='train.age_s'))

Reference: Common Expression Language, language definition (cel-spec, doc/langdef.md). The engine
ends an expression after about 10,000 iterations of its macros, and matches by RE2.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Protocol

from cel_expr_python import cel

from tidegate.core.errors import PolicyError
from tidegate.core.policy.facts import FactType, FactValue

MAX_EXPRESSION = 2_000

_TYPES = {
    FactType.BOOL: cel.Type.BOOL,
    FactType.INT: cel.Type.INT,
    FactType.DOUBLE: cel.Type.DOUBLE,
    FactType.STRING: cel.Type.STRING,
    FactType.STRINGS: cel.Type.List(cel.Type.STRING),
}
_ABSENT = re.compile(r'UNKNOWN: No value with name "([\w.]+)" found in Activation')
_UNDECLARED = re.compile(r"undeclared reference to '([^']*)'")
_TOKEN = re.compile(
    r"""(?P<comment>//[^\n]*)
      |[rR](?P<raw>"[^"\n]*"|'[^'\n]*')
      |(?P<text>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')
      |(?P<name>[A-Za-z_]\w*(?:\s*\.\s*[A-Za-z_]\w*)*)
      |(?P<double>\d+\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+)
      |(?P<int>\d+)""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Absent:
    """The verdict needs a fact that is not present."""

    name: str


@dataclass(frozen=True, slots=True)
class Broken:
    """The expression could not be evaluated: a runtime error, or the budget is spent."""

    reason: str


Verdict = bool | Absent | Broken
"""What running an expression gives."""

Binding = Any
"""Values in the form that an engine wants; made and read by the same engine only."""


class Program(Protocol):
    """A compiled expression."""

    @property
    def reads(self) -> tuple[str, ...]:
        """The declared variables that the expression names, in order."""
        ...

    @property
    def constants(self) -> tuple[FactValue, ...]:
        """The literals in it: what *why not* tries first."""
        ...

    def run(self, binding: Binding) -> Verdict:
        """Evaluate within the engine's budget; never raises."""
        ...


class Environment(Protocol):
    """A set of declared variables."""

    def compile(self, expression: str) -> Program:
        """Type-check an expression.

        Raises:
            PolicyError: It is too long, does not parse, names an undeclared variable, has a
                type error, or is not boolean.
        """
        ...

    def bind(self, values: Mapping[str, FactValue]) -> Binding:
        """Prepare values of the declared types; those left out are absent."""
        ...


class Engine(Protocol):
    """A rule language."""

    def __hash__(self) -> int:
        """Engines are keys of the compile cache."""
        ...

    def environment(self, declarations: Mapping[str, FactType]) -> Environment:
        """Declare variables."""
        ...


@dataclass(frozen=True, slots=True)
class CelProgram:
    """An expression that CEL has checked."""

    reads: tuple[str, ...]
    constants: tuple[FactValue, ...]
    _expression: Any

    def run(self, binding: Binding) -> Verdict:
        """Evaluate; errors are told apart from *absent*."""
        try:
            value = self._expression.eval(binding)
            if value.type() == cel.Type.BOOL:
                return bool(value.value())
            text = str(value.value())
        except (RuntimeError, ValueError, TypeError, OverflowError) as error:
            return Broken(_first_line(str(error)))
        absent = _ABSENT.fullmatch(text)
        return Absent(absent[1]) if absent else Broken(_first_line(text))


@dataclass(frozen=True, slots=True)
class CelEnvironment:
    """CEL with declared variables and the standard library; no extensions."""

    _declarations: Mapping[str, FactType]
    _env: Any

    def compile(self, expression: str) -> CelProgram:
        """Type-check an expression (see :class:`Environment`)."""
        if len(expression) > MAX_EXPRESSION:
            raise PolicyError(
                f"the expression is longer than {MAX_EXPRESSION} characters",
                next_step="split the rule",
                slug="expression",
            )
        try:
            checked = self._env.compile(expression)
        except (RuntimeError, ValueError, TypeError) as error:
            raise self._refusal(str(error)) from None
        if checked.return_type() != cel.Type.BOOL:
            raise PolicyError(
                "the expression is not true or false",
                cause=f"its type is {checked.return_type().name()}",
                next_step="compare the value with something",
                slug="expression",
            )
        return CelProgram(*_words(expression, self._declarations), checked)

    def bind(self, values: Mapping[str, FactValue]) -> Binding:
        """Turn values into an activation."""
        return self._env.Activation(
            {
                name: list(value) if isinstance(value, tuple) else value
                for name, value in values.items()
            }
        )

    def _refusal(self, text: str) -> PolicyError:
        undeclared = _UNDECLARED.search(text)
        if not undeclared:
            return PolicyError(
                "the expression does not compile",
                cause=_first_line(text),
                next_step="correct the expression; the language is CEL",
                slug="expression",
            )
        close = get_close_matches(undeclared[1], self._declarations, n=1)
        return PolicyError(
            f"no fact is called {undeclared[1]!r}",
            next_step=f"did you mean {close[0]!r}?" if close else "declare it under [facts]",
            slug="unknown-fact",
        )


@dataclass(frozen=True, slots=True)
class CelEngine:
    """CEL, by Google's C++ implementation."""

    def environment(self, declarations: Mapping[str, FactType]) -> CelEnvironment:
        """Declare variables under their dotted names.

        Raises:
            PolicyError: A name is no CEL identifier.
        """
        try:
            env = cel.NewEnv(
                variables={name: _TYPES[type_] for name, type_ in declarations.items()}
            )
        except (RuntimeError, ValueError, TypeError) as error:
            raise PolicyError(
                "the facts can't be declared", cause=_first_line(str(error)), slug="facts"
            ) from None
        return CelEnvironment(declarations, env)


def _words(
    expression: str, declarations: Mapping[str, FactType]
) -> tuple[tuple[str, ...], tuple[FactValue, ...]]:
    """Return the variables that an expression names, and its literals."""
    reads: dict[str, None] = {}
    constants: list[FactValue] = []
    for token in _TOKEN.finditer(expression):
        kind, text = token.lastgroup, token[0]
        if kind == "name":
            # The longest declared prefix: in ``request.roles.exists(...)`` the rest is a method.
            parts = re.split(r"\s*\.\s*", text)
            for end in range(len(parts), 0, -1):
                if (name := ".".join(parts[:end])) in declarations:
                    reads[name] = None
                    break
        elif kind == "int":
            constants.append(int(text))
        elif kind == "double":
            constants.append(float(text))
        elif kind == "raw":
            constants.append(token["raw"][1:-1])
        elif kind == "text":
            constants.append(re.sub(r"\\(.)", r"\1", text[1:-1]))
    return tuple(reads), tuple(constants)


def _first_line(text: str) -> str:
    """Shorten an engine's message to what fits a report."""
    line = text.partition("\n")[0]
    line = re.sub(r"^[A-Z_]+: (?:ERROR: <input>:)?", "", line)
    return re.sub(r" \[[A-Z_]+\]$", "", line)[:300]
