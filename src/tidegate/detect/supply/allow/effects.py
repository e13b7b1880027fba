r"""Tells from a function's source whether running it can only touch the object in hand.

Pure enough are: reading and setting attributes and items of the object and of locals, branching,
raising, the plain builtins, the methods of dicts, lists, sets and strings, the same hook of a base
class, and functions and methods of the same sources that are pure by the same rules. Everything
else is an effect, and named with its line.

>>> import ast
>>> def told(body):
...     source = f"def __setstate__(self, state):\n    {body}"
...     return effects(ast.parse(source).body[0], Context())
>>> told("self.__dict__.update(state)"), told("os.unlink(state['path'])")
((), ('line 2 calls os.unlink',))
"""

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

Function = ast.FunctionDef
_DEPTH: Final = 5
_BUILTINS: Final = frozenset(
    [
        "abs",
        "all",
        "any",
        "bool",
        "bytes",
        "callable",
        "dict",
        "divmod",
        "enumerate",
        "filter",
        "float",
        "frozenset",
        "hasattr",
        "hash",
        "id",
        "int",
        "isinstance",
        "issubclass",
        "iter",
        "len",
        "list",
        "map",
        "max",
        "min",
        "next",
        "object",
        "range",
        "repr",
        "reversed",
        "round",
        "set",
        "slice",
        "sorted",
        "str",
        "sum",
        "super",
        "tuple",
        "type",
        "vars",
        "zip",
    ]
)
_METHODS: Final = frozenset(
    [
        "add",
        "append",
        "clear",
        "copy",
        "count",
        "difference",
        "discard",
        "endswith",
        "extend",
        "find",
        "format",
        "fromkeys",
        "get",
        "index",
        "insert",
        "intersection",
        "items",
        "isdigit",
        "join",
        "keys",
        "lower",
        "lstrip",
        "partition",
        "pop",
        "popitem",
        "remove",
        "replace",
        "reverse",
        "rpartition",
        "rstrip",
        "setdefault",
        "sort",
        "split",
        "startswith",
        "strip",
        "title",
        "union",
        "update",
        "upper",
        "values",
    ]
)
_PURE: Final = frozenset(
    {
        "warnings.warn",
        "object.__new__",
        "object.__setattr__",
        "object.__getattribute__",
        "object.__setstate__",
        "object.__getattr__",
        "dict.__setitem__",
        "list.append",
        "dict.__init__",
        "np.asarray",
        "np.array",
        "np.zeros",
        "np.empty",
        "collections.OrderedDict",
        "OrderedDict",
        "defaultdict",
        "threading.Lock",
        "threading.RLock",
        "weakref.ref",
        "inspect.signature",
        "signature",
        "torch.is_tensor",
        "torch.tensor",
    }
)
_FORBIDDEN: Final[tuple[type[ast.AST], ...]] = (
    ast.Import, ast.ImportFrom, ast.With, ast.AsyncWith, ast.Await, ast.Yield, ast.YieldFrom,
    ast.Global, ast.Nonlocal, ast.AsyncFor, ast.AsyncFunctionDef, ast.ClassDef,
)  # fmt: skip
_DECORATORS: Final = frozenset(
    {"staticmethod", "classmethod", "property", "override", "abstractmethod"}
)


@dataclass(frozen=True, slots=True)
class Context:
    """What surrounds a function: how its names are resolved."""

    hooks: frozenset[str] = frozenset()
    """Methods that are looked at in every base class anyway."""
    bases: frozenset[str] = frozenset()
    """Names of the base classes, as they are written."""
    imported: frozenset[str] = frozenset()
    """Names that are modules, or come out of them."""
    function: Callable[[str], "tuple[Function, Context] | None"] = lambda _: None
    """Finds a function of the sources by the name that is called."""
    method: Callable[[str], "tuple[Function, Context] | None"] = lambda _: None
    """Finds a method of the object's class."""
    above: tuple[int, ...] = field(default=())
    """Functions that are being looked at: recursion adds nothing."""


def effects(function: Function, context: Context) -> tuple[str, ...]:
    """Return what running a function does beyond its own object, by line; empty where nothing.

    Args:
        function: Its source.
        context: How to resolve what it calls.
    """
    if id(function) in context.above:
        return ()
    if len(context.above) >= _DEPTH:
        return (f"line {function.lineno} calls too deep to follow",)
    inner = Context(
        context.hooks, context.bases, context.imported, context.function, context.method,
        (*context.above, id(function)),
    )  # fmt: skip
    found = [text for node in ast.walk(function) for text in _effects(node, inner, function)]
    return tuple(dict.fromkeys(found))


def _effects(node: ast.AST, context: Context, function: Function) -> Iterator[str]:
    if isinstance(node, _FORBIDDEN):
        yield f"line {node.lineno} has {type(node).__name__}"  # type: ignore[attr-defined]
    elif isinstance(node, ast.FunctionDef):
        for decorator in node.decorator_list:
            text = ast.unparse(decorator)
            if text.rpartition(".")[2] not in _DECORATORS | {"setter", "getter", "deleter"}:
                yield f"line {node.lineno} is decorated by {text[:60]}"
    elif isinstance(node, ast.Call):
        yield from _call(node, context, _locals(function))
    elif isinstance(node, ast.Attribute | ast.Subscript) and not isinstance(node.ctx, ast.Load):
        root = _root(node)
        if root in context.imported and root not in _locals(function):
            yield f"line {node.lineno} changes {ast.unparse(node)[:60]}"


def _call(node: ast.Call, context: Context, local: set[str]) -> Iterator[str]:
    target = node.func
    text = ast.unparse(target)
    told = f"line {node.lineno} calls {text[:80]}"
    if text in _PURE or _is_error(text):
        return
    if isinstance(target, ast.Name):
        yield from _named(node, target.id, told, context)
    elif isinstance(target, ast.Attribute):
        yield from _attribute(target, told, context, local)
    else:
        yield told


def _named(node: ast.Call, name: str, told: str, context: Context) -> Iterator[str]:
    if name in _BUILTINS:
        return
    if name in {"getattr", "setattr", "delattr"}:
        # A name out of the file would reach whatever the object has.
        own = name == "setattr" and ast.unparse(node.args[0]) == "self"
        if not own and not (len(node.args) > 1 and isinstance(node.args[1], ast.Constant)):
            yield f"{told} with a computed name"
        return
    found = context.function(name)
    yield from _followed(found, told, context)


def _attribute(
    target: ast.Attribute, told: str, context: Context, local: set[str]
) -> Iterator[str]:
    owner, name = ast.unparse(target.value), target.attr
    above = owner in context.bases or (
        isinstance(target.value, ast.Call) and ast.unparse(target.value.func) == "super"
    )
    if above and name in context.hooks:
        return
    if owner in {"self", "cls"} or above:
        found = context.method(name)
        if found is not None:
            yield from _followed(found, told, context)
            return
    # What is neither of the function nor built in is a module, or something that one made.
    if name in _METHODS and _root(target) in local | _BUILTINS | {""}:
        return
    yield told


def _followed(
    found: "tuple[Function, Context] | None", told: str, context: Context
) -> Iterator[str]:
    if found is None:
        yield told
        return
    function, there = found
    inner = Context(
        there.hooks, there.bases, there.imported, there.function, there.method, context.above
    )
    deeper = effects(function, inner)
    if deeper:
        yield f"{told} ({deeper[0]})"


def _root(node: ast.AST) -> str:
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def _locals(function: Function) -> set[str]:
    names = {argument.arg for argument in ast.walk(function.args) if isinstance(argument, ast.arg)}
    return names | {
        node.id
        for node in ast.walk(function)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }


def _is_error(text: str) -> bool:
    name = text.rpartition(".")[2]
    return name[:1].isupper() and name.endswith(("Error", "Exception", "Warning", "StopIteration"))
