"""``tidegate model``: what can be asked of model files without a workspace."""

from pathlib import Path
from typing import Annotated

from cyclopts import App

from tidegate.app.reading import about, read_file
from tidegate.cli import output
from tidegate.cli.options import FLAT, Showing, Target
from tidegate.core.errors import ProofError, UsageError
from tidegate.detect.weights.rates import RATES
from tidegate.tensors.compare import TensorDiff, compare
from tidegate.tensors.manifest import MAX_BYTES, TensorManifest, build, verify_shard

app = App(name="model", help="Sign, check and compare models without a workspace.")
app.command("tidegate.cli.model_signing:sign", name="sign", help="Sign a model's files.")
app.command(
    "tidegate.cli.model_signing:check", name="check", help="Verify a model against its signature."
)

_SHOWN = 12
_KIN = {
    "same": "the same tensors: a renamed or re-packed copy",
    "derived": "shares tensors with it: fine-tuned, merged, or given another head",
    "same-shape": "the same names and shapes in other bytes: retrained, or wholly fine-tuned",
    "unrelated": "no kin, as far as its tensors tell",
}


@app.command
def tensors(
    path: Path,
    /,
    *,
    file: Target | None = None,
    showing: Annotated[Showing, FLAT] = Showing(),
) -> int:
    """Hash a model tensor by tensor: one root, however it is split into files.

    JSON: `root`; `tensors`, `files`, how many; `file`; `manifest`, null where it goes to a file.

    Args:
        path: A safetensors file, or a folder with such files.
        file: Write the manifest here; - is standard output.
        showing: How the answer is shown.
    """
    if file is not None:
        output.check_target(showing, file)
    with output.progress(f"hashing {path}", quiet=showing.as_json):
        found = build(path)
    facts = {"root": found.root, "tensors": len(found.entries), "files": len(found.files)}
    rows = [
        ("root", found.root),
        ("tensors", str(len(found.entries))),
        ("files", str(len(found.files))),
    ]
    if file is None:
        output.emit(showing, {**facts, "file": None, "manifest": found.to_json()}, rows)
    else:
        document = found.to_bytes().decode()
        output.emit_document(showing, document, file, {**facts, "manifest": None}, rows)
    return 0


@app.command
def verify(
    path: Path,
    /,
    *,
    manifest: Path,
    root: str | None = None,
    shard: bool = False,
    showing: Annotated[Showing, FLAT] = Showing(),
) -> int:
    """Verify a model, or one shard of it, against its tensor manifest.

    JSON: `root`; `verified`, how many tensors, `of` how many.

    Args:
        path: A safetensors file, or a folder with such files.
        manifest: What `tidegate model tensors` wrote.
        root: The root that was signed; without it, the manifest is believed.
        shard: The path holds only a part of the model.
        showing: How the answer is shown.
    """
    signed = _read(manifest)
    if root is not None and signed.root != root:
        raise ProofError(
            "the manifest is another model's",
            where=str(manifest),
            cause=f"its root is {signed.root[:19]}, {root[:19]} was asked for",
            next_step="get the manifest that goes with the root",
            slug="other-root",
        )
    count = verify_shard(path, signed)
    if not shard and count != len(signed.entries):
        raise ProofError(
            "tensors are missing",
            where=str(path),
            cause=f"{count} of {len(signed.entries)} are here",
            next_step="fetch the rest; or say --shard",
            slug="missing-tensors",
        )
    facts = {"root": signed.root, "verified": count, "of": len(signed.entries)}
    said = f"{count} of {len(signed.entries)} tensors are the signed ones"
    output.emit(showing, facts, [("root", signed.root), ("verified", said)])
    return 0


@app.command
def diff(base: Path, ours: Path, /, *, showing: Annotated[Showing, FLAT] = Showing()) -> int:
    """Compare two models tensor by tensor; exits with 1 where they differ.

    JSON: `kinship`; `base`, `ours`, their roots; `same`, how many; `changed`, `recast`,
    `reshaped`, `added`, `removed`, `renamed`, names of tensors.

    Args:
        base: A safetensors file, a folder, or a manifest of `tidegate model tensors`.
        ours: The other one, as well.
        showing: How the answer is shown.
    """
    before, after = _manifest(base), _manifest(ours)
    found = compare(before, after)
    facts = {
        "kinship": found.kinship.value,
        "base": before.root,
        "ours": after.root,
        "same": len(found.same),
        "changed": list(found.changed),
        "recast": list(found.recast),
        "reshaped": list(found.reshaped),
        "added": list(found.added),
        "removed": list(found.removed),
        "renamed": [list(pair) for pair in found.renamed],
    }
    output.emit(showing, facts, _rows(found))
    return 0 if before.root == after.root else 1


def _rows(found: TensorDiff) -> list[tuple[str, str]]:
    rows = [("kinship", _KIN[found.kinship.value]), ("same", str(len(found.same)))]
    renamed = tuple(f"{old} → {new}" for old, new in found.renamed)
    for name, which in (
        ("changed", found.changed),
        ("recast", found.recast),
        ("reshaped", found.reshaped),
        ("added", found.added),
        ("removed", found.removed),
        ("renamed", renamed),
    ):
        if which:
            more = f" and {len(which) - _SHOWN} more" if len(which) > _SHOWN else ""
            rows.append((name, f"{len(which)}: {', '.join(which[:_SHOWN])}{more}"))
    return rows


def _manifest(path: Path) -> TensorManifest:
    return _read(path) if path.suffix == ".json" else build(path)


def _read(path: Path) -> TensorManifest:
    named = "name a file that `tidegate model tensors --file` wrote"
    with about(path):
        return TensorManifest.parse(
            read_file(path, what="the tensor manifest", limit=MAX_BYTES, next_step=named)
        )


@app.command
def inspect(
    path: Path, /, *, base: Path | None = None, showing: Annotated[Showing, FLAT] = Showing()
) -> int:
    """Look for hidden payloads, patch triggers and edited rows in weights: indicators, no verdict.

    What stands out is told with the rate that it was measured at; the exit code is 0 all the same,
    and 3 where no tensor could be examined.

    JSON: `indicators` (`kind`, `tensor`, `message`, `value`, `measured`); `tensors`, `examined`,
    `skipped`, how many.

    Args:
        path: A safetensors file, or a folder with such files.
        base: What it was made from, where that is known: compared row by row.
        showing: How the answer is shown.
    """
    from tidegate.detect.weights.inspect import inspect_model  # noqa: PLC0415 - an extra

    with output.progress(f"looking at {path}", quiet=showing.as_json):
        found = inspect_model(path, base)
    facts = {
        "indicators": [one.to_json() for one in found.indicators],
        "tensors": found.tensors,
        "examined": found.examined,
        "skipped": found.skipped,
    }
    rows = [[one.kind, one.tensor, one.message, RATES[one.kind]] for one in found.indicators]
    table = output.Table(
        ("indicator", "tensor", "what stands out", "measured"), rows, "nothing stands out"
    )
    seen = f"{found.examined} of {found.tensors} tensors, {found.skipped} too small or not float32"
    output.emit(showing, facts, table, [("examined", seen)])
    return 0 if found.examined else 3


@app.command
def disarm(
    path: Path,
    target: Path,
    /,
    *,
    keep: int = 16,
    showing: Annotated[Showing, FLAT] = Showing(),
) -> int:
    """Round float32 weights, so that no payload is left in their low bits.

    The result is another model, with other digests: it goes through the gates as such.

    JSON: `rounded`, how many tensors; `keep`, bits of 32; `file`.

    Args:
        path: A safetensors file.
        target: Where to write the rounded one.
        keep: Bits that stay of 32, from 10 to 31; 16 is the precision of bfloat16.
        showing: How the answer is shown.
    """
    from tidegate.detect.weights.disarm import MAX_KEEP, MIN_KEEP, disarm_file  # noqa: PLC0415 - an extra

    if not MIN_KEEP <= keep <= MAX_KEEP:
        raise UsageError(
            "so many bits can't be kept",
            where=f"--keep {keep}",
            next_step=f"keep {MIN_KEEP} to {MAX_KEEP} of 32",
            slug="bad-keep",
        )
    count = disarm_file(path, target, keep=keep)
    facts = {"rounded": count, "keep": keep, "file": str(target)}
    output.emit(
        showing, facts, [("rounded", f"{count} tensors to {keep} bits"), ("file", str(target))]
    )
    return 0
