r"""Vets classes from their source, without importing them: what would run when one is unpickled.

A class is inert when neither it nor any class that it inherits from defines a hook that unpickling
triggers. This is how packs are made, and what a person reads before approving a class of their own.

>>> source = "class A: pass\nclass B(A):\n    def __setstate__(self, s): ..."
>>> [(v.name, v.hooks) for v in vet_sources({"m": source})]
[('m:A', ()), ('m:B', ('m:B.__setstate__',))]
"""

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tidegate.core.canonical import Json

HOOKS: Final = frozenset(
    {
        "__new__",
        "__setstate__",
        "__setattr__",
        "__getattr__",
        "__getattribute__",
        "__del__",
        "__setitem__",
        "append",
        "extend",
    }
)
"""Methods that a pickle triggers on an instance (the last three only by item opcodes)."""
_PLAIN_BASES: Final = frozenset(
    {"object", "ABC", "Generic", "Protocol", "abc.ABC", "typing.Generic", "typing.Protocol"}
)
_PLAIN_METACLASSES: Final = frozenset({"ABCMeta", "abc.ABCMeta"})


@dataclass(frozen=True, slots=True)
class Vetted:
    """What the source says about one class."""

    name: str
    """``module:Class``"""
    hooks: tuple[str, ...]
    """``module:Class.method`` for each hook, its own or inherited."""
    unknown: tuple[str, ...]
    """Bases and metaclasses that the given sources do not define."""

    @property
    def inert(self) -> bool:
        """Whether unpickling an instance runs nothing of its own."""
        return not self.hooks and not self.unknown


@dataclass(slots=True)
class _Class:
    bases: list[str] = field(default_factory=list[str])
    hooks: list[str] = field(default_factory=list[str])


def vet_package(root: Path) -> list[Vetted]:
    """Vet all top-level classes of a package's folder; test folders are left out."""
    sources: dict[str, str] = {}
    for file in sorted(root.rglob("*.py")):
        parts = file.relative_to(root.parent).with_suffix("").parts
        if "tests" not in parts:
            name = ".".join(parts).removesuffix(".__init__")
            sources[name] = file.read_text("utf-8")
    return vet_sources(sources)


def vet_sources(sources: Mapping[str, str]) -> list[Vetted]:
    """Vet all top-level classes of modules.

    Args:
        sources: Source text by module name.
    """
    classes: dict[str, _Class] = {}
    names: dict[str, dict[str, str]] = {}
    for module, text in sources.items():
        tree = ast.parse(text)
        names[module] = _imported(tree, module, module in _packages(sources))
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                classes[f"{module}:{node.name}"] = _read(node, module, names[module])
    return [_judge(name, classes, names) for name in sorted(classes)]


def _packages(sources: Mapping[str, str]) -> set[str]:
    return {name.rpartition(".")[0] for name in sources}


def _imported(tree: ast.Module, module: str, package: bool) -> dict[str, str]:  # noqa: FBT001 - a fact about the module
    """Map local names to ``module:name``."""
    out: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            parts = module.split(".")
            up = node.level - (1 if package else 0)
            base = ".".join(parts[: len(parts) - up]) if node.level else ""
            source = ".".join(part for part in (base, node.module or "") if part)
            for alias in node.names:
                out[alias.asname or alias.name] = f"{source}:{alias.name}"
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            out[node.name] = f"{module}:{node.name}"
    return out


def _read(node: ast.ClassDef, module: str, names: Mapping[str, str]) -> _Class:
    out = _Class()
    for base in node.bases:
        target = base.value if isinstance(base, ast.Subscript) else base
        text = ast.unparse(target)
        out.bases.append(text if text in _PLAIN_BASES else names.get(text, text))
    for keyword in node.keywords:
        text = ast.unparse(keyword.value)
        if keyword.arg == "metaclass" and text not in _PLAIN_METACLASSES:
            out.bases.append(f"metaclass {text}")
    out.hooks = [f"{module}:{node.name}.{name}" for name in _methods(node) if name in HOOKS]
    return out


def _methods(node: ast.ClassDef) -> Iterator[str]:
    for item in ast.walk(node):
        if isinstance(item, ast.FunctionDef):
            yield item.name
        elif isinstance(item, ast.Assign):
            yield from (target.id for target in item.targets if isinstance(target, ast.Name))


def _judge(
    name: str, classes: Mapping[str, _Class], names: Mapping[str, Mapping[str, str]]
) -> Vetted:
    hooks: list[str] = []
    unknown: list[str] = []
    todo, seen = [name], set[str]()
    while todo:
        current = todo.pop()
        if current in seen or current in _PLAIN_BASES:
            continue
        seen.add(current)
        found = classes.get(_follow(current, names))
        if found is None:
            if current.partition(":")[2] not in _PLAIN_BASES:
                unknown.append(current)
            continue
        hooks += found.hooks
        todo += found.bases
    return Vetted(name, tuple(sorted(set(hooks))), tuple(sorted(unknown)))


def _follow(name: str, names: Mapping[str, Mapping[str, str]]) -> str:
    """Follow re-exports to where a class is defined."""
    for _ in range(8):
        module, _, local = name.partition(":")
        target = names.get(module, {}).get(local)
        if target is None or target == name:
            break
        name = target
    return name


def draft_entries(
    vetted: Iterable[Vetted], reviewed: Mapping[str, str], *, without: Sequence[str] = ()
) -> list[dict[str, Json]]:
    """Draft pack entries for the classes that may be instantiated and given state.

    Args:
        vetted: What :func:`vet_package` said.
        reviewed: Hooks that a person read, each with what it does.
        without: Parts of module names to leave out.

    Returns:
        Entries for classes that are inert but for reviewed hooks, in the order of their names.
    """
    out: list[dict[str, Json]] = []
    for item in vetted:
        module = item.name.partition(":")[0].split(".")
        known = all(hook in reviewed for hook in item.hooks) and not item.unknown
        if not known or set(without) & set(module):
            continue
        reasons = [reviewed[hook] for hook in item.hooks]
        why = "; ".join(reasons) or "its source defines no hook that unpickling triggers"
        out.append({"global": item.name, "uses": ["data", "new", "build"], "why": why})
    return out
