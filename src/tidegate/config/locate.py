r"""Find the line of a key in TOML text that was already parsed.

``tomllib`` gives values without places. This scanner follows table headers, keys, strings that
span lines and open brackets; it is used for messages only, never for values.

>>> locate('[store]\nurl = "x"\n', ("store", "url"))
2
"""

import re

Path = tuple[str | int, ...]
"""Keys from the root; an integer is the place in an array of tables."""

_HEADER = re.compile(r"\s*(\[\[?)\s*(.+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(
    r"""\s*((?:"[^"\n]*"|'[^'\n]*'|[\w-]+)(?:\s*\.\s*(?:"[^"\n]*"|'[^'\n]*'|[\w-]+))*)\s*="""
)
_PART = re.compile(r""""[^"\n]*"|'[^'\n]*'|[\w-]+""")
_TOKEN = re.compile(r'"""|' r"'''" r"""|"(?:\\.|[^"\\\n])*"|'[^'\n]*'|\#.*|[\[\]{}]""")


def locate(text: str, path: Path) -> int | None:
    """Return the line (from 1) of a key, else of its nearest parent, else ``None``."""
    places = lines(text)
    wanted = path
    while wanted:
        if wanted in places:
            return places[wanted]
        wanted = wanted[:-1]
    return None


def lines(text: str) -> dict[Path, int]:
    """Return the line of every table header and key."""
    places: dict[Path, int] = {}
    arrays: dict[Path, int] = {}
    table: Path = ()
    depth, quote = 0, ""
    for number, line in enumerate(text.split("\n"), start=1):
        rest = line.rstrip("\r")
        if not quote and depth == 0:
            if header := _HEADER.match(rest):
                table = _table(_parts(header[2]), arrays, new=header[1] == "[[")
                for end in range(1, len(table) + 1):
                    places.setdefault(table[:end], number)
                continue
            if key := _KEY.match(rest):
                full = (*table, *_parts(key[1]))
                for end in range(len(table) + 1, len(full) + 1):
                    places.setdefault(full[:end], number)
                rest = rest[key.end() :]
        depth, quote = _after(rest, depth, quote)
    return places


def _parts(dotted: str) -> Path:
    return tuple(part.strip("\"'") for part in _PART.findall(dotted))


def _table(names: Path, arrays: dict[Path, int], *, new: bool) -> Path:
    """Resolve a header to a path with the place in each array of tables on the way."""
    path: Path = ()
    for place, name in enumerate(names):
        path = (*path, name)
        if new and place == len(names) - 1:
            arrays[path] = arrays.get(path, -1) + 1
        if path in arrays:
            path = (*path, arrays[path])
    return path


def _after(line: str, depth: int, quote: str) -> tuple[int, str]:
    """Return the bracket depth and the open multi-line quote after a line."""
    position = 0
    while position < len(line):
        if quote:
            end = line.find(quote, position)
            if end < 0:
                return depth, quote
            position, quote = end + 3, ""
            continue
        token = _TOKEN.search(line, position)
        if token is None:
            break
        position = token.end()
        if token[0] in {'"""', "'''"}:
            quote = token[0]
        elif token[0] in {"[", "{"}:
            depth += 1
        elif token[0] in {"]", "}"}:
            depth = max(0, depth - 1)
    return depth, quote
