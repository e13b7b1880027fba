"""Judges chat templates: Jinja text that the serving process will render.

The template is parsed by Jinja's own parser, never rendered, and its tree is checked against an
allowlist: names, attributes, filters, tests and calls that text templates need. Whatever else it
reaches for is a finding.
"""

from typing import TYPE_CHECKING, Final, NoReturn

from tidegate.detect.supply.formats.word_set import words
from tidegate.detect.supply.scan import Scan

if TYPE_CHECKING:
    from jinja2 import Environment, nodes

_MAX_LENGTH: Final = 1 << 18
_MAX_NODES: Final = 50_000
_FUNCTIONS: Final = words("""
    raise_exception range namespace dict cycler joiner strftime_now tojson
""")
_METHODS: Final = words("""
    append capitalize count endswith extend find get index insert isdigit items join keys
    lastindex lower lstrip next pop removeprefix removesuffix replace rsplit rstrip split
    splitlines startswith strip title update upper values zfill
""")
_FILTERS: Final = words("""
    abs batch capitalize center count d default dictsort e escape first float forceescape groupby
    indent int items join last length list lower map max min reject rejectattr replace reverse
    round safe select selectattr slice sort string striptags sum title tojson trim truncate unique
    upper urlencode wordcount wordwrap
""")
_BY_ATTRIBUTE: Final = words("selectattr rejectattr map groupby sort sum unique max min")
_STATEMENTS: Final = words("""
    Add And Assign AssignBlock Block Break Call CallBlock Compare Concat CondExpr Const Continue
    Dict Div EvalContextModifier ExprStmt Filter FilterBlock FloorDiv For Getattr Getitem If
    Keyword List Macro Mod Mul NSRef Name Neg Not Operand Or Output Pair Pos Pow Scope
    ScopedEvalContextModifier Slice Sub Template TemplateData Test Tuple With
""")


def has_template(text: str) -> bool:
    """Tell whether a text contains template marks.

    >>> has_template("{{ x }}"), has_template("plain {text}")
    (True, False)
    """
    return "{{" in text or "{%" in text


def examine_template(text: str, scan: Scan, *, strict: bool) -> None:
    """Report what a template reaches for beyond text.

    Args:
        text: The template.
        scan: Where findings go.
        strict: Whether text that is no valid template is a gap; in prose it is just prose.
    """
    from jinja2 import Environment, TemplateSyntaxError  # noqa: PLC0415 - only files with templates pay

    if len(text) > _MAX_LENGTH:
        scan.gap("a template longer than is examined", failed=True)
        return
    scan.meter.opcode(len(text))
    environment = Environment(
        autoescape=True, extensions=["jinja2.ext.loopcontrols", "jinja2.ext.do"]
    )
    try:
        tree = _parse(environment, text)
    except (TemplateSyntaxError, RecursionError, MemoryError):
        if strict:
            scan.gap("a template that can't be parsed")
        return
    for why, line in _reasons(tree):
        scan.find(
            "template-code", f"a template {why}", about=f"{why} {line}", evidence={"line": line}
        )


def _parse(environment: "Environment", text: str) -> "nodes.Template":
    # Transformers' own tag, which only marks a span of the output.
    plain = text.replace("{% generation %}", "").replace("{% endgeneration %}", "")
    plain = plain.replace("{%- generation %}", "").replace("{%- endgeneration %}", "")
    # Its own handler would make and run code to give the error a prettier traceback.
    environment.handle_exception = _as_it_is  # type: ignore[method-assign]
    return environment.parse(plain)


def _as_it_is(source: str | None = None) -> NoReturn:  # noqa: ARG001 - as Jinja calls it
    raise  # noqa: PLE0704 - the error that is being handled


def _reasons(tree: "nodes.Template") -> list[tuple[str, int]]:
    from jinja2 import nodes  # noqa: PLC0415 - as above

    macros = frozenset(macro.name for macro in tree.find_all(nodes.Macro))
    out: list[tuple[str, int]] = []
    todo: list[nodes.Node] = [tree]
    seen = 0
    while todo:
        node = todo.pop()
        seen += 1
        if seen > _MAX_NODES:
            return [*out, ("is larger than is examined", 0)]
        why = _reason(node, macros)
        if why:
            out.append((why, node.lineno))
        todo.extend(node.iter_child_nodes())
    return sorted(out, key=lambda item: (item[1], item[0]))


def _reason(node: "nodes.Node", macros: frozenset[str]) -> str | None:
    from jinja2 import nodes  # noqa: PLC0415 - as above

    why: str | None = None
    if type(node).__name__ not in _STATEMENTS:
        why = f"uses {type(node).__name__}"
    elif isinstance(node, nodes.Name) and node.name.startswith("_"):
        why = "names a private variable"
    elif isinstance(node, nodes.Getattr) and node.attr.startswith("_"):
        why = "reads a private attribute"
    elif isinstance(node, nodes.Getitem):
        why = _subscript(node.arg)
    elif isinstance(node, nodes.Filter):
        why = _filter(node)
    elif isinstance(node, nodes.Call):
        why = _call(node, macros)
    elif isinstance(node, nodes.Const) and isinstance(node.value, str) and _hidden(node.value):
        why = "holds a private name"
    return why


def _hidden(text: str) -> bool:
    return text.startswith("__") and text.endswith("__") and text.strip("_").isidentifier()


def _subscript(index: "nodes.Expr") -> str | None:
    from jinja2 import nodes  # noqa: PLC0415 - as above

    if isinstance(index, nodes.Const):
        private = isinstance(index.value, str) and index.value.startswith("_")
        return "reads a private item" if private else None
    plain = (nodes.Name, nodes.Slice, nodes.Neg, nodes.Add, nodes.Sub, nodes.Getattr, nodes.Getitem)
    texts = [node for node in index.find_all(nodes.Const) if isinstance(node.value, str)]
    computed = isinstance(index, nodes.Add) and bool(texts)
    return None if isinstance(index, plain) and not computed else "computes the item that it reads"


def _filter(node: "nodes.Filter") -> str | None:
    from jinja2 import nodes  # noqa: PLC0415 - as above

    if node.name not in _FILTERS:
        return f"uses the filter {node.name[:40]}"
    if node.name in _BY_ATTRIBUTE:
        texts = [arg.value for arg in node.find_all(nodes.Const) if isinstance(arg.value, str)]
        named = node.args[0] if node.args else None
        by_name = node.name == "map" and isinstance(named, nodes.Const)
        if by_name and isinstance(named, nodes.Const) and named.value not in _FILTERS:
            return "maps an unlisted filter"
        if any("_" in (text[:1], text[-1:]) or "._" in text for text in texts):
            return "filters by a private attribute"
    return None


def _call(node: "nodes.Call", macros: frozenset[str]) -> str | None:
    from jinja2 import nodes  # noqa: PLC0415 - as above

    target = node.node
    if isinstance(target, nodes.Name):
        known = target.name in _FUNCTIONS or target.name in macros
        return None if known else f"calls {target.name[:40]}"
    if isinstance(target, nodes.Getattr):
        return None if target.attr in _METHODS else f"calls the method {target.attr[:40]}"
    return "calls what it computed"
