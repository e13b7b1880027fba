"""Model scanners side by side: attacks stopped, benign files blocked, files a second.

Prints one JSON object a line, and tables on stderr: ours on whole sets, by half, and then tool by
corpus, the same files for each in one run. The benign set is made here by scikit-learn, joblib and
NumPy; published attack files are used where ../shared is present. Each set is split by the parity
of its sorted names: the even half was looked at while the packs were written.

    python benchmarks/scanners.py [--benign FOLDER]... [--malicious FOLDER]... [--most 150]
        [--peer NAME]... [--no-peers]

Each peer is installed by this program, pinned, into an environment of its own (build/peers/NAME).
One that can't be had is reported as such. *Stopped* and *blocked* both mean: not clean. Files are
only ever scanned, never loaded.
"""

import argparse
import io
import json
import os
import pickle
import resource
import struct
import subprocess
import sys
import tempfile
import time
import venv
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import joblib
import numpy as np
from safetensors.numpy import save_file
from sklearn.base import BaseEstimator
from sklearn.utils import all_estimators

from tidegate.detect.supply import Status, scan_path
from tidegate.sandbox.scanner import ConfinedScanner
from tidegate.stats.intervals import wilson

SCAN = Path(__file__).resolve().parents[1] / "../shared/data/supply/scan"
GADGETS = """
os.system posix.system nt.system subprocess.Popen subprocess.check_output builtins.eval
builtins.exec builtins.__import__ builtins.getattr builtins.open runpy.run_path
importlib.import_module pty.spawn shutil.rmtree socket.create_connection urllib.request.urlopen
webbrowser.open pickle.loads _pickle.loads marshal.loads types.FunctionType
code.InteractiveInterpreter.runcode cProfile.run timeit.timeit pdb.run bdb.Bdb.run trace.Trace
doctest.debug_script pip.main pydoc.pipepager operator.attrgetter operator.methodcaller
functools.partial functools.reduce ctypes.CDLL multiprocessing.util.spawnv_passfds
logging.config.listen numpy.testing._private.utils.runstring numpy.load
numpy.f2py.crackfortran.getlincoef torch.load torch.hub.load torch.storage._load_from_bytes
torch.utils.collect_env.run torch._inductor.codecache.compile_file joblib.load
pandas.read_pickle pandas.eval mlflow.projects.backend.local._run_entry_point
sklearn.utils.fixes.delayed dill.loads cloudpickle.loads
idlelib.pyshell.ModifiedInterpreter.runcode lib2to3.pgen2.grammar.Grammar.loadgrammar
ensurepip._run_pip asyncio.unix_events._UnixSubprocessTransport._start site.execsitecustomize
"""


ROOT = Path(__file__).resolve().parents[1]
PEERS = {
    "picklescan": ("picklescan==1.0.5", "numpy", "py7zr"),
    "modelscan": ("modelscan==0.8.8", "numpy"),
    "fickling": ("fickling==0.1.12", "typing_extensions", "numpy"),
    "modelaudit": ("modelaudit==0.2.54", "py7zr"),
}
ANSWER_SECONDS = 120


def show(name: str, value: float, unit: str, bar: str, *, ok: bool, extra: str = "") -> None:
    print(json.dumps({"name": name, "value": round(value, 4), "unit": unit, "bar": bar, "ok": ok}))
    mark = "ok" if ok else "MISS"
    print(f"{name:44s} {value:10.4f} {unit:8s} {bar:9s} {mark:5s}{extra}", file=sys.stderr)


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def forms(module: str, name: str) -> Iterator[tuple[str, bytes]]:
    """One gadget in the forms that scanners have been seen to miss."""
    line = f"c{module}\n{name}\n".encode()
    call = b"\x80\x02" + line + text("x") + b"\x85R."
    stack = b"\x80\x04" + text(module) + text(name) + b"\x93" + text("x") + b"\x85R."
    yield "reduce", call
    yield "stack_global", stack
    yield "inst", b"(S'x'\n" + b"i" + line[1:] + b"."
    yield "obj", b"\x80\x02(" + line + text("x") + b"o."
    yield "uncalled", b"\x80\x02}" + text("func") + line + b"s."
    yield "broken_after", call[:-1] + b"\xff"
    yield "second_stream", pickle.dumps([1]) + call
    yield "embedded", pickle.dumps({"blob": call})
    yield "zlib", zlib.compress(stack)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", stack)
    yield "zip", buffer.getvalue()
    whole = buffer.getvalue()
    yield (
        "zip_flag",
        whole.replace(b"PK\x01\x02\x14\x03\x14\0\0\0", b"PK\x01\x02\x14\x03\x14\0\x01\0"),
    )
    buffer = io.BytesIO()
    joblib.dump(np.zeros(3), buffer)
    yield "after_array", buffer.getvalue()[:-1] + b"0" + line + text("x") + b"\x85R."


def write_attacks(folder: Path) -> None:
    for gadget in GADGETS.split():
        module, _, name = gadget.rpartition(".")
        if module.rpartition(".")[2][:1].isupper():
            module, _, owner = module.rpartition(".")
            name = f"{owner}.{name}"
        for form, data in forms(module, name):
            (folder / f"{form}-{gadget}.bin").write_bytes(data)


def estimators() -> Iterator[tuple[str, BaseEstimator]]:
    """Every estimator of scikit-learn that fits plain data with its defaults."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(60, 5))
    target = (features[:, 0] > 0).astype(int)
    for name, kind in all_estimators():
        try:
            model = kind()
            if "n_estimators" in model.get_params():
                model.set_params(n_estimators=5)
            yield name, model.fit(np.abs(features), target)
        except (TypeError, ValueError, AttributeError, NotImplementedError):
            continue


def write_benign(folder: Path) -> None:
    for name, model in estimators():
        for protocol in (2, 4, 5):
            (folder / f"{name}-{protocol}.pkl").write_bytes(pickle.dumps(model, protocol))
        joblib.dump(model, folder / f"{name}.joblib")
        joblib.dump(model, folder / f"{name}-zlib.joblib", compress=3)
    arrays: dict[str, Any] = {
        "f4": np.zeros((9, 9), "f4"),
        "object": np.array([{"a": 1}, "x", None], dtype=object),
        "structured": np.zeros(3, dtype=[("a", "i4"), ("b", "U5")]),
    }
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array, allow_pickle=True)
    np.savez_compressed(folder / "two.npz", a=arrays["f4"], b=arrays["structured"])
    save_file({"w": arrays["f4"]}, folder / "m.safetensors", {"format": "pt"})
    (folder / "config.json").write_text(json.dumps({"hidden": 4, "labels": ["os", "eval("]}))
    (folder / "README.md").write_text("# Model\n\n```python\nimport torch\n```\n")


def labelled(label: str) -> list[Path]:
    out: list[Path] = []
    for table in sorted(SCAN.glob("*/labels.tsv")):
        rows = [line.split("\t") for line in table.read_text().splitlines()[1:]]
        out += [table.parent / path for path, kind in rows if kind == label]
    return sorted(out)


def measure(name: str, files: Iterable[Path], *, attacks: bool) -> None:
    """Scan a set, and tell the share that is not clean, by half."""
    listed = sorted(files)
    start = time.perf_counter()
    verdicts = [scan_path(file).status is not Status.CLEAN for file in listed]
    seconds = time.perf_counter() - start
    for half, parity in (("seen", 0), ("held_out", 1)):
        flagged = verdicts[parity::2]
        hits, n = sum(flagged), len(flagged)
        if n:
            interval = wilson(hits, n)
            extra = f" {hits}/{n} [{interval.low:.3f}, {interval.high:.3f}]"
            kind, bar = ("stop", "= 1") if attacks else ("block", "<= 0.03")
            ok = hits == n if attacks else hits / n <= 0.03
            show(f"scanners.{kind}.{name}.{half}", hits / n, "share", bar, ok=ok, extra=extra)
    missed = [f.name for f, flag in zip(listed, verdicts, strict=True) if flag is not attacks]
    if missed:
        print(
            f"    {'missed' if attacks else 'blocked'}: {', '.join(missed[:12])}", file=sys.stderr
        )
    rate = len(listed) / max(seconds, 1e-9)
    if len(listed) >= 300:
        show(f"scanners.rate.{name}", rate, "files/s", ">= 300", ok=rate >= 300)


def peer(name: str) -> Path | None:
    """Return the Python of a peer's environment, making it first; ``None`` where it can't be."""
    folder = ROOT / "build/peers" / name
    stamp, wanted = folder / "installed.txt", "\n".join(PEERS[name])
    python = folder / "bin/python"
    if stamp.is_file() and stamp.read_text() == wanted:
        return python
    try:
        venv.create(folder, with_pip=True, clear=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--quiet", *PEERS[name]]
        subprocess.run(pip, check=True, timeout=900, stdout=sys.stderr)
    except (OSError, subprocess.SubprocessError) as error:
        print(f"{name} can't be had: {error}", file=sys.stderr)
        return None
    stamp.write_text(wanted)
    return python


def verdicts(name: str, files: list[Path]) -> tuple[list[bool], float] | None:
    """Return which files a tool does not call clean, and the seconds that it took for all."""
    if name == "tidegate":
        with ConfinedScanner() as scanner:
            _ = scanner.confinement  # started, as the peers are before their first file
            start = time.perf_counter()
            flags = [scan_path(f, examiner=scanner).status is not Status.CLEAN for f in files]
            return flags, time.perf_counter() - start
    python = peer(name)
    if python is None:
        return None
    command = [str(python), str(ROOT / "benchmarks/peers/scan.py"), name]
    names = "".join(f"{file}\n" for file in files)
    try:
        done = subprocess.run(
            command, input=names, capture_output=True, text=True, check=True,
            timeout=ANSWER_SECONDS + 5 * len(files),
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        print(f"{name} broke off: {str(error)[:200]}", file=sys.stderr)
        return None
    rows = [line.split() for line in done.stdout.splitlines()]
    return [row[0] != "clean" for row in rows], sum(float(row[1]) for row in rows)


def compare(corpora: dict[str, tuple[list[Path], bool]], tools: list[str]) -> None:
    """Print the table tool by corpus: the same files for each, one tool after the other."""
    for tool in tools:
        for corpus, (files, attacks) in corpora.items():
            found = verdicts(tool, files)
            kind = "stopped" if attacks else "blocked"
            name = f"scanners.{tool}.{corpus}"
            if found is None or len(found[0]) != len(files):
                print(
                    f"{name:44s} no figure: the tool could not be had, or broke off",
                    file=sys.stderr,
                )
                continue
            flags, seconds = found
            share, rate = sum(flags) / len(files), len(files) / max(seconds, 1e-9)
            ours = tool == "tidegate"
            bar = ("= 1" if attacks else "<= 0.03") if ours else "-"
            ok = not ours or (share == 1 if attacks else share <= 0.03)
            extra = f" {sum(flags)}/{len(files)}, {rate:,.0f} files/s"
            show(f"{name}.{kind}", share, "share", bar, ok=ok, extra=extra)
            show(f"{name}.rate", rate, "files/s", "-", ok=True)


def sample(files: Iterable[Path], most: int) -> list[Path]:
    """Return at most so many files, evenly over the sorted names."""
    listed = sorted(files)
    step = max(1, -(-len(listed) // most))
    return listed[::step]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--benign", action="append", default=[], type=Path)
    parser.add_argument("--malicious", action="append", default=[], type=Path)
    parser.add_argument("--most", type=int, default=150, help="files of a corpus in the comparison")
    parser.add_argument("--peer", action="append", default=[], choices=[*PEERS])
    parser.add_argument("--no-peers", action="store_true")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    with tempfile.TemporaryDirectory() as place:
        attacks, benign = Path(place, "attacks"), Path(place, "benign")
        attacks.mkdir()
        benign.mkdir()
        write_attacks(attacks)
        write_benign(benign)
        scan_path(benign / "config.json")  # packs are read once, outside the measurement
        measure("gadgets", attacks.iterdir(), attacks=True)
        measure("sklearn_files", benign.iterdir(), attacks=False)
        corpora = {"gadgets": (sample(attacks.iterdir(), options.most), True)}
        corpora["sklearn_files"] = (sample(benign.iterdir(), options.most), False)
        if SCAN.is_dir():
            corpora["published"] = (sample(labelled("mal"), options.most), True)
            corpora["published_benign"] = (sample(labelled("ben"), options.most), False)
        for folder in (*options.benign, *options.malicious):
            files = [file for file in folder.rglob("*") if file.is_file()]
            corpora[folder.name] = (sample(files, options.most), folder in options.malicious)
        peers = [] if options.no_peers else options.peer or [*PEERS]
        compare(corpora, ["tidegate", *peers])
    if SCAN.is_dir():
        measure("published", labelled("mal"), attacks=True)
        measure("published_benign", labelled("ben"), attacks=False)
    else:
        print("published files are absent: left out", file=sys.stderr)
    for folder in options.benign:
        measure(folder.name, [f for f in folder.rglob("*") if f.is_file()], attacks=False)
    for folder in options.malicious:
        measure(folder.name, [f for f in folder.rglob("*") if f.is_file()], attacks=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    show("scanners.peak_memory", peak, "MiB", "<= 1024", ok=peak <= 1024)


if __name__ == "__main__":
    main()
