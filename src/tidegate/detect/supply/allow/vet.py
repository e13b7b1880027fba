r"""Vets classes from their source, without importing them: what would run when one is unpickled.

A class is inert when neither it nor any class that it inherits from defines a hook that unpickling
triggers and that can do more than touch the object in hand. This is how packs are made
(``tools/vet_packs.py``), and what a person reads before approving a class of their own.

>>> source = "class A: pass\nclass B(A):\n    def __setstate__(self, s): os.remove(s)"
>>> [(v.name, v.effects) for v in vet_sources({"m": source})]
[('m:A', {}), ('m:B', {'m:B.__setstate__': ('line 3 calls os.remove',)})]
"""

import ast
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Final

from tidegate.detect.supply.allow.effects import Context, Function, effects

HOOKS: Final = frozenset(
    {
        "__new__",
        "__setstate__",
        "__setattr__",
        "__getattr__",
        "__getattribute__",
        "__del__",
        "__setitem__",
        "__hash__",
        "__eq__",
        "_missing_",
        "add",
        "append",
        "extend",
    }
)
"""Methods that a pickle triggers on an instance; so do setters of properties."""
_PLAIN_BASES: Final = frozenset(
    [
        "object",
        "ABC",
        "Generic",
        "Protocol",
        "abc.ABC",
        "typing.Generic",
        "typing.Protocol",
        "dict",
        "list",
        "set",
        "tuple",
        "str",
        "int",
        "float",
        "collections:OrderedDict",
        "OrderedDict",
    ]
)
_ENUM_NAMES: Final = ("Enum", "IntEnum", "StrEnum", "Flag", "IntFlag")
_ENUMS: Final = frozenset(how + kind for kind in _ENUM_NAMES for how in ("", "enum.", "enum:"))
_TUPLES: Final = frozenset({"NamedTuple", "typing.NamedTuple", "typing:NamedTuple"})
_PLAIN_METACLASSES: Final = frozenset({"ABCMeta", "abc.ABCMeta", "abc:ABCMeta"})
_DECORATORS: Final = frozenset(
    [
        "dataclass",
        "dataclasses.dataclass",
        "total_ordering",
        "functools.total_ordering",
        "final",
        "set_module",
        "runtime_checkable",
        "compatibility",
        "deprecated",
        "Substitution",
        "Appender",
        "doc",
        "compile_only",
        "compatible_with",
    ]
)
_MAX_SOURCE: Final = 8 << 20
_LEFT_OUT: Final = frozenset({"tests", "test", "testing", "_testing", "conftest"})


@dataclass(frozen=True, slots=True)
class Vetted:
    """What the source says about one class."""

    name: str
    """``module:Class``"""
    hooks: tuple[str, ...]
    """``module:Class.method`` for each hook, its own or inherited."""
    unknown: tuple[str, ...]
    """Bases, metaclasses and decorators that the given sources do not define."""
    effects: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """What a hook does beyond its own object, by hook; hooks that do nothing are left out."""
    kind: str = "class"
    """``class``, ``enum`` (made by calling it with a value) or ``tuple`` (made with its fields)."""

    @property
    def inert(self) -> bool:
        """Whether unpickling an instance touches nothing but the instance."""
        return not self.effects and not self.unknown

    def rejected(self, reviewed: Mapping[str, str]) -> tuple[str, ...]:
        """Return why it is not inert, but for hooks that a person read."""
        told = [f"{name} is not in the sources" for name in self.unknown if name not in reviewed]
        told += [
            f"{hook}: {what[0]}" for hook, what in self.effects.items() if hook not in reviewed
        ]
        return tuple(told)


@dataclass(slots=True)
class _Class:
    module: str
    bases: list[str] = field(default_factory=list[str])
    written: list[str] = field(default_factory=list[str])
    hooks: dict[str, Function | None] = field(default_factory=dict[str, "Function | None"])
    methods: dict[str, Function] = field(default_factory=dict[str, Function])


@dataclass(slots=True)
class _Sources:
    classes: dict[str, _Class] = field(default_factory=dict[str, _Class])
    functions: dict[str, Function] = field(default_factory=dict[str, Function])
    names: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])

    def follow(self, name: str) -> str:
        """Follow re-exports and aliases to where something is defined."""
        for _ in range(12):
            module, _, local = name.partition(":")
            target = self.names.get(module, {}).get(local)
            if target is None or target == name:
                break
            name = target
        return name

    def found(self, name: str) -> _Class | None:
        """Return a class by any of its names."""
        return self.classes.get(self.follow(name))

    def line(self, name: str) -> Iterator[tuple[str, _Class]]:
        """Yield a class and what it inherits from, as far as it is known."""
        todo, seen = [name], set[str]()
        while todo:
            current = self.follow(todo.pop(0))
            known = self.classes.get(current)
            if current not in seen and known is not None:
                seen.add(current)
                yield current, known
                todo += known.bases


def read_sources(place: Path) -> dict[str, str]:
    """Read the modules of a wheel, or of a package's folder; test folders are left out.

    Args:
        place: A wheel (``.whl``), or the folder of a package.
    """
    if place.is_dir():
        found = {
            PurePosixPath(file.relative_to(place.parent).as_posix()): file.read_bytes
            for file in sorted(place.rglob("*.py"))
        }
        return dict(_modules((path, read()) for path, read in found.items()))
    with zipfile.ZipFile(place) as wheel:
        names = [name for name in sorted(wheel.namelist()) if name.endswith(".py")]
        return dict(_modules((PurePosixPath(name), wheel.read(name)) for name in names))


def _modules(files: Iterable[tuple[PurePosixPath, bytes]]) -> Iterator[tuple[str, str]]:
    for path, body in files:
        parts = path.with_suffix("").parts
        if not _LEFT_OUT & set(parts) and len(body) < _MAX_SOURCE:
            name = ".".join(parts).removesuffix(".__init__")
            yield name, body.decode("utf-8-sig", "replace")


def vet_package(root: Path) -> list[Vetted]:
    """Vet all top-level classes of a package's folder or wheel; test folders are left out."""
    return vet_sources(read_sources(root))


def vet_sources(
    sources: Mapping[str, str], context: Mapping[str, str] | None = None
) -> list[Vetted]:
    """Vet all top-level classes of modules.

    Args:
        sources: Source text by module name.
        context: Sources of other packages, whose classes these inherit from.
    """
    read = _Sources()
    for module, text in {**(context or {}), **sources}.items():
        _read_module(module, text, read, packages=_packages(sources) | _packages(context or {}))
    own = [name for name in sorted(read.classes) if read.classes[name].module in sources]
    return [_judge(name, read) for name in own]


def _packages(sources: Mapping[str, str]) -> set[str]:
    return {name.rpartition(".")[0] for name in sources}


def _read_module(module: str, text: str, read: _Sources, *, packages: set[str]) -> None:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return
    names = read.names[module] = _imported(tree, module, package=module in packages)
    for node in _statements(tree.body):
        if isinstance(node, ast.ClassDef):
            known = read.classes.get(f"{module}:{node.name}")
            fresh = _read_class(node, module, names)
            # Two definitions under one name (try and except): what either does counts.
            read.classes[f"{module}:{node.name}"] = _joined(known, fresh) if known else fresh
        elif isinstance(node, ast.FunctionDef):
            read.functions[f"{module}:{node.name}"] = node


def _joined(one: _Class, other: _Class) -> _Class:
    return _Class(
        one.module,
        [*one.bases, *other.bases],
        [*one.written, *other.written],
        {**one.hooks, **other.hooks},
        {**one.methods, **other.methods},
    )


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements of a module, those under ``if`` and ``try`` included."""
    for node in body:
        yield node
        if isinstance(node, ast.If):
            yield from _statements([*node.body, *node.orelse])
        elif isinstance(node, ast.Try):
            handlers = [item for handler in node.handlers for item in handler.body]
            yield from _statements([*node.body, *handlers, *node.orelse])


def _imported(tree: ast.Module, module: str, *, package: bool) -> dict[str, str]:
    """Map local names to ``module:name``; a plain import maps to ``module:``."""
    out: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            parts = module.split(".")
            up = node.level - (1 if package else 0)
            base = ".".join(parts[: len(parts) - up]) if node.level else ""
            source = ".".join(part for part in (base, node.module or "") if part)
            for alias in node.names:
                out.setdefault(alias.asname or alias.name, f"{source}:{alias.name}")
        elif isinstance(node, ast.Import):
            for alias in node.names:
                root = alias.name.partition(".")[0]
                out.setdefault(alias.asname or root, f"{alias.name if alias.asname else root}:")
    _defined(tree, module, out)
    return out


def _defined(tree: ast.Module, module: str, out: dict[str, str]) -> None:
    """Add the aliases and classes that a module defines itself."""
    for node in _statements(tree.body):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name | ast.Attribute):
            target = node.targets[0]
            if isinstance(target, ast.Name):
                source = ast.unparse(node.value)
                out.setdefault(target.id, out.get(source, f"{module}:{source}"))
    for node in _statements(tree.body):
        if isinstance(node, ast.ClassDef):
            out[node.name] = f"{module}:{node.name}"


def _read_class(node: ast.ClassDef, module: str, names: Mapping[str, str]) -> _Class:
    out = _Class(module)
    plain = _PLAIN_BASES | _ENUMS | _TUPLES
    for base in node.bases:
        target = base.value if isinstance(base, ast.Subscript) else base
        text = ast.unparse(target)
        out.written.append(text)
        if text.startswith(("namedtuple(", "collections.namedtuple(")):
            text = "NamedTuple"
        out.bases.append(text if text in plain else _full(text, names))
    for keyword in node.keywords:
        text = ast.unparse(keyword.value)
        if keyword.arg == "metaclass" and text not in _PLAIN_METACLASSES:
            out.bases.append(f"metaclass {text}")
    for decorator in node.decorator_list:
        text = ast.unparse(decorator.func if isinstance(decorator, ast.Call) else decorator)
        if text.rpartition(".")[2] not in {name.rpartition(".")[2] for name in _DECORATORS}:
            out.bases.append(f"decorator {text}")
    _read_body(node, out)
    return out


def _full(text: str, names: Mapping[str, str]) -> str:
    """Return ``module:name`` for a base as it is written."""
    root, _, rest = text.partition(".")
    target = names.get(root)
    if target is None or not rest:
        return target or text
    module, _, name = f"{target.replace(':', '.').rstrip('.')}.{rest}".rpartition(".")
    return f"{module}:{name}"


def _read_body(node: ast.ClassDef, out: _Class) -> None:
    for item in _statements(node.body):
        if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef):
            function = item if isinstance(item, ast.FunctionDef) else None
            setter = any(ast.unparse(mark).endswith(".setter") for mark in item.decorator_list)
            if setter or item.name in HOOKS:
                out.hooks[f"{item.name}.setter" if setter else item.name] = function
            if function is not None and not setter:
                out.methods[item.name] = function
        elif isinstance(item, ast.Assign):
            for target in item.targets:
                none = isinstance(item.value, ast.Constant) and item.value.value is None
                if isinstance(target, ast.Name) and target.id in HOOKS and not none:
                    out.hooks[target.id] = None


def _judge(name: str, read: _Sources) -> Vetted:
    hooks: list[str] = []
    unknown: list[str] = []
    told: dict[str, tuple[str, ...]] = {}
    kind = "class"
    for current, known in read.line(name):
        for hook, function in known.hooks.items():
            full = f"{current}.{hook}"
            hooks.append(full)
            found = (
                ("it is assigned, not defined",)
                if function is None
                else effects(function, _context(name, known, read))
            )
            if found:
                told[full] = found
        for base in known.bases:
            kind = "enum" if base in _ENUMS else "tuple" if base in _TUPLES else kind
            if base not in _PLAIN_BASES | _ENUMS | _TUPLES and read.found(base) is None:
                unknown.append(base)
    ordered = {hook: told[hook] for hook in sorted(told)}
    return Vetted(name, tuple(sorted(hooks)), tuple(sorted(set(unknown))), ordered, kind)


def _context(name: str, known: _Class, read: _Sources) -> Context:
    names = read.names.get(known.module, {})
    return Context(
        hooks=HOOKS,
        bases=frozenset(known.written),
        imported=frozenset(names),
        function=partial(_function, known.module, name, read),
        method=partial(_method, name, read),
    )


def _function(
    module: str, owner: str, read: _Sources, called: str
) -> tuple[Function, Context] | None:
    full = read.follow(f"{module}:{called}")
    function = read.functions.get(full)
    if function is None:
        return None
    there = _Class(full.partition(":")[0])
    return function, _context(owner, there, read)


def _method(owner: str, read: _Sources, called: str) -> tuple[Function, Context] | None:
    for _, known in read.line(owner):
        function = known.methods.get(called)
        if function is not None:
            return function, _context(owner, known, read)
    return None
