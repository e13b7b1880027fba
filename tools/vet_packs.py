# /// script
# requires-python = ">=3.11"
# dependencies = []
# ///
"""Write the allow packs from the sources of the frameworks that they speak of; nothing is imported.

::

    python tools/vet_packs.py WHEELS [--pack NAME]... [--write]

``WHEELS`` holds wheels of several releases (``pip download --no-deps``), or unpacked packages in
folders named as wheels are (``scikit_learn-1.9.1``). ``tools/vet_packs.toml`` says which packs
there are, and holds what a person read. A class gets into a pack when it is inert in *every*
release that has it; what was rejected is printed with the reason. Entries by hand (without the key
``releases``) are kept as they are.
"""

import argparse
import json
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tidegate.detect.supply.allow.vet import Vetted, read_sources, vet_sources

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "src/tidegate/detect/supply/allow/data"
PLAN = Path(__file__).with_suffix(".toml")
PLAIN = "nothing that unpickling triggers reaches beyond the instance, by its source"
USES: Mapping[str, dict[str, Any]] = {
    "class": {"uses": ["data", "new", "build"]},
    "enum": {"uses": ["data", "reduce"], "args": [["const"]]},
    "tuple": {"uses": ["data", "new"], "args": [["data…"]]},
}


@dataclass(frozen=True, slots=True)
class Release:
    """A framework's release that lies in the folder."""

    version: str
    place: Path

    @property
    def order(self) -> tuple[int, ...]:
        """For sorting releases."""
        return tuple(int(part) for part in re.findall(r"\d+", self.version))


def releases(folder: Path, name: str) -> list[Release]:
    """Return the releases of a distribution, oldest first."""
    stem = re.sub(r"[-_.]+", "_", name).lower()
    found = []
    for place in folder.iterdir():
        given, _, rest = place.name.partition("-")
        if re.sub(r"[-_.]+", "_", given).lower() == stem:
            found.append(Release(rest.partition("-")[0].removesuffix(".whl"), place))
    return sorted(found, key=lambda release: release.order)


def sources(release: Release) -> dict[str, str]:
    """Read a wheel, or every package of a folder."""
    if release.place.is_file():
        return read_sources(release.place)
    found: dict[str, str] = {}
    for package in release.place.iterdir():
        if (package / "__init__.py").is_file():
            found |= read_sources(package)
    return found


def vetted(folder: Path, plan: Mapping[str, Any]) -> dict[str, dict[str, Vetted]]:
    """Return what each release says about each class: class → release → verdict."""
    context: dict[str, str] = {}
    for name in plan.get("context", []):
        context |= sources(releases(folder, name)[-1])
    out: dict[str, dict[str, Vetted]] = {}
    only = tuple(plan.get("only", plan["packages"]))
    for release in releases(folder, plan["distribution"]):
        read = sources(release)
        wanted = {module: text for module, text in read.items() if module.startswith(only)}
        for item in vet_sources(wanted, context):
            if item.name.partition(":")[0].partition(".")[0] in plan["packages"]:
                out.setdefault(item.name, {})[release.version] = item
    return out


def draft(
    plan: Mapping[str, Any], found: Mapping[str, Mapping[str, Vetted]], all_: Sequence[str]
) -> tuple[list[dict[str, Any]], Counter[str]]:
    """Return the entries by source, alike ones together, and why others are none."""
    reviewed: Mapping[str, str] = plan.get("reviewed", {})
    groups: dict[tuple[str, str, str], list[str]] = {}
    rejected: Counter[str] = Counter()
    for name, verdicts in sorted(found.items()):
        against = [why for item in verdicts.values() for why in item.rejected(reviewed)]
        if against:
            rejected[against[0]] += 1
            print(f"  {name}: {against[0]}")
            continue
        newest = list(verdicts.values())[-1]
        read = {reviewed[hook] for item in verdicts.values()
                for hook in (*item.hooks, *item.unknown) if hook in reviewed}  # fmt: skip
        why = "; ".join(sorted(read)) or PLAIN
        spread = "all" if len(verdicts) == len(all_) else f"{min_max(list(verdicts), all_)}"
        groups.setdefault((newest.kind, why, spread), []).append(name)
    entries = [
        {"global": names, **USES[kind], "why": why, "releases": spread}
        for (kind, why, spread), names in sorted(groups.items())
    ]
    return entries, rejected


def min_max(some: Sequence[str], every: Sequence[str]) -> str:
    """Write which releases have a class: the first and the last, or the only one."""
    ordered = [version for version in every if version in some]
    return ordered[0] if len(ordered) == 1 else f"{ordered[0]} to {ordered[-1]}"


def write(file: Path, name: str, versions: str, *parts: Sequence[Mapping[str, Any]]) -> None:
    """Write a pack, one entry a line."""
    lines = [
        f"    {json.dumps(one, ensure_ascii=False)}" for part in reversed(parts) for one in part
    ]
    head = f'  "name": {json.dumps(name)},\n  "versions": {json.dumps(versions)},\n  "entries": ['
    text = "{\n" + head + "\n" + ",\n".join(lines) + "\n  ]\n}\n"
    file.write_text(text, "utf-8")


def main() -> int:
    """Vet, tell, and write where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("wheels", type=Path)
    parser.add_argument("--pack", action="append", default=[])
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the packs")
    options = parser.parse_args()
    plans = tomllib.loads(PLAN.read_text("utf-8"))
    for name, plan in plans.items():
        if options.pack and name not in options.pack:
            continue
        every = [release.version for release in releases(options.wheels, plan["distribution"])]
        if not every:
            print(f"{name}: no {plan['distribution']} in {options.wheels}", file=sys.stderr)
            return 2
        print(f"{name}: {plan['distribution']} {', '.join(every)}")
        entries, rejected = draft(plan, vetted(options.wheels, plan), every)
        file = options.data / f"{name}.json"
        old = json.loads(file.read_text("utf-8"))["entries"] if file.is_file() else []
        by_hand = [entry for entry in old if "releases" not in entry]
        count = sum(len(entry["global"]) for entry in entries)
        said = f"{count} classes vetted, {rejected.total()} rejected, {len(by_hand)} by hand"
        print(f"{name}: {said}")
        if options.write:
            versions = f"{plan['distribution']} {', '.join(every)}"
            write(file, name, versions, entries, by_hand)
    return 0


if __name__ == "__main__":
    sys.exit(main())
