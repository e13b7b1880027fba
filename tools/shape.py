"""Hold the code to its bars: file and function length, import cycles, size of the trusted core.

Prints the figures; exits 1 when a bar is broken. Run: ``python tools/shape.py``.
"""

import ast
import io
import statistics
import sys
import tokenize
from pathlib import Path

SRC = Path(__file__).resolve().parents[1] / "src"
CORE_LINES = 5_000
FILE_LINES = 600
FUNCTION_LINES = 80
MEDIAN_LINES = 200
BROAD_EXCEPTS_PER_1000 = 0.5


def module_name(path: Path) -> str:
    """Return the dotted name of a source file."""
    parts = path.relative_to(SRC).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def docstring_lines(tree: ast.AST) -> set[int]:
    """Return the lines that bare strings (docstrings, field docs) take."""
    lines: set[int] = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Constant):
            continue
        if isinstance(node.value.value, str):
            lines.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return lines


def code_lines(path: Path, tree: ast.AST) -> int:
    """Count the lines that hold code: no blank, comment or docstring."""
    used: set[int] = set()
    skip = {
        tokenize.COMMENT,
        tokenize.NL,
        tokenize.NEWLINE,
        tokenize.INDENT,
        tokenize.DEDENT,
        tokenize.ENDMARKER,
    }
    for token in tokenize.generate_tokens(io.StringIO(path.read_text("utf-8")).readline):
        if token.type not in skip:
            used.update(range(token.start[0], token.end[0] + 1))
    return len(used - docstring_lines(tree))


def imports(tree: ast.AST, modules: set[str]) -> set[str]:
    """Return the project modules that a file imports when it is loaded."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                found.add(full if full in modules else node.module)
    return found & modules


def largest_cycle(graph: dict[str, set[str]]) -> list[str]:
    """Return the largest strongly connected component of more than one module (Tarjan 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    best: list[str] = []

    def visit(node: str) -> None:
        nonlocal best
        index[node] = low[node] = len(index)
        stack.append(node)
        for successor in graph[node]:
            if successor not in index:
                visit(successor)
                low[node] = min(low[node], low[successor])
            elif successor in stack:
                low[node] = min(low[node], index[successor])
        if low[node] == index[node]:
            component = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(component) > max(1, len(best)):
                best = component

    sys.setrecursionlimit(10_000)
    for node in graph:
        if node not in index:
            visit(node)
    return best


def broad_excepts(tree: ast.AST) -> int:
    """Count handlers that catch everything."""
    broad = 0
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            name = node.type.id if isinstance(node.type, ast.Name) else None
            broad += node.type is None or name in {"Exception", "BaseException"}
    return broad


def main() -> int:
    """Measure, print, judge."""
    files = sorted(SRC.rglob("*.py"))
    trees = {path: ast.parse(path.read_text("utf-8")) for path in files}
    modules = {module_name(path) for path in files}
    graph = {module_name(path): imports(tree, modules) for path, tree in trees.items()}
    counts = {path: len(path.read_text("utf-8").splitlines()) for path in files}
    code = {path: code_lines(path, tree) for path, tree in trees.items()}
    functions = [
        ((node.end_lineno or node.lineno) - node.lineno + 1, f"{module_name(path)}.{node.name}")
        for path, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    core = sum(lines for path, lines in code.items() if "core" in path.relative_to(SRC).parts)
    excepts = 1000 * sum(map(broad_excepts, trees.values())) / max(1, sum(code.values()))
    cycle = largest_cycle(graph)
    longest_file = max(counts, key=lambda path: counts[path])
    longest_function = max(functions, default=(0, "-"))
    bars = [
        ("trusted core, code lines", core, CORE_LINES, core <= CORE_LINES),
        (
            f"longest file ({longest_file.relative_to(SRC)})",
            counts[longest_file],
            FILE_LINES,
            counts[longest_file] <= FILE_LINES,
        ),
        (
            f"longest function ({longest_function[1]})",
            longest_function[0],
            FUNCTION_LINES,
            longest_function[0] <= FUNCTION_LINES,
        ),
        (
            "median file, lines",
            statistics.median(counts.values()),
            MEDIAN_LINES,
            statistics.median(counts.values()) <= MEDIAN_LINES,
        ),
        (
            "broad excepts per 1,000 lines",
            round(excepts, 2),
            BROAD_EXCEPTS_PER_1000,
            excepts <= BROAD_EXCEPTS_PER_1000,
        ),
        (f"largest import cycle {cycle or ''}", len(cycle), 0, not cycle),
    ]
    for name, value, bar, ok in bars:
        print(f"{'ok  ' if ok else 'FAIL'}  {name}: {value} (bar {bar})")
    return 0 if all(ok for *_, ok in bars) else 1


if __name__ == "__main__":
    raise SystemExit(main())
