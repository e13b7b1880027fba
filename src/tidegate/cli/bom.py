"""``tidegate bom``: bills of materials of anyone: make, show, check, compare, score, convert."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from tidegate.app.bom import ModelCard, bom_bytes, load_bom, make_bom
from tidegate.cli import output
from tidegate.cli.bom_vex import app as vex
from tidegate.cli.options import FLAT, Flag, Showing, Target, Texts
from tidegate.core.canonical import Json
from tidegate.core.clock import SystemClock, iso
from tidegate.core.errors import UsageError
from tidegate.interop.bom import (
    Bom,
    Loss,
    Reading,
    Spec,
    diff,
    merge,
    score,
    validate_bom,
    write_bom,
    write_losses,
)
from tidegate.version import __version__

app = App(name="bom", help="Bills of materials: make, show, check, compare, score, convert.")
app.command(vex)

_Spec = Literal["cyclonedx-1.6", "cyclonedx-1.7", "spdx-3.0.1"]
_Output = Annotated[Target | None, Parameter(show_default=False)]


@app.command
def make(
    path: Path,
    /,
    *,
    name: str,
    version: str,
    owner: str | None = None,
    licence: str | None = None,
    task: str | None = None,
    architecture: str | None = None,
    url: str | None = None,
    use: Texts = (),
    limitation: Texts = (),
    data: Texts = (),
    base: Texts = (),
    adapter: Texts = (),
    image: Texts = (),
    lock: Path | None = None,
    spec: _Spec = "cyclonedx-1.6",
    output_: Annotated[_Output, Parameter(name="--output")] = None,
    showing: Annotated[Showing, FLAT] = Showing(),
) -> int:
    """Make the bill of materials of a model, without a workspace; the model is not loaded.

    In a workspace, `tidegate registry admit` makes one from what the gates signed.

    JSON: `bom`, `losses` (`where`, `why`, `count`), `document`, the text where it goes to no file,
    `file`.

    Args:
        path: The model file or folder.
        name: The model's name.
        version: Its version.
        owner: Who answers for it.
        licence: SPDX expression.
        task: classification, regression…
        architecture: Such as LogisticRegression.
        url: Where the model can be had.
        use: An intended use; may be given several times.
        limitation: A known limitation; may be given several times.
        data: ROLE=PATH of a dataset, with training, validation or test for ROLE.
        base: NAME or NAME@sha256:… of a model that this one was made from.
        adapter: NAME or NAME@sha256:… of an adapter.
        image: NAME[:TAG][@sha256:…] of a container image.
        lock: A lock file of the environment; what is installed here without one.
        spec: The format to write.
        output_: The file to write; standard output without it.
        showing: How the answer is written.
    """
    bom = make_bom(
        path,
        name=name,
        version=version,
        card=ModelCard(owner, licence, task, architecture, use, limitation, url),
        data=_roles(data),
        bases=base,
        adapters=adapter,
        images=image,
        lock=lock,
    )
    return _write(bom, Spec(spec), output_, showing)


@app.command
def show(file: Path, /, *, showing: Annotated[Showing, FLAT] = Showing()) -> int:
    """Show what a bill of materials says, and what of it is not understood.

    Reads CycloneDX 1.4 to 1.7, SPDX 2.3 and SPDX 3.0.1, all as JSON, whoever wrote them.

    JSON: `format`, `serial`, `bom`, `losses` (`where`, `why`, `count`).

    Args:
        file: The document.
        showing: How the answer is written.
    """
    found = load_bom(file)
    facts: dict[str, Json] = {
        "format": found.format,
        "serial": found.serial,
        "bom": _facts(found.bom),
        "losses": [loss.to_json() for loss in found.losses],
    }
    output.emit(showing, facts, _rows(found), *_tables(found.bom), *_lost(found.losses))
    return 0


@app.command
def validate(file: Path, /, *more: Path, showing: Annotated[Showing, FLAT] = Showing()) -> int:
    """Check documents against their format's schema; needs the extra bom.

    Exits with 1 when one of them breaks its format. What is only unwise, such as a reference to
    no part, is shown and does not count.

    JSON: `valid`, `documents` (`file`, `format`, `valid`, `problems`).

    Args:
        file: A document.
        more: Further ones.
        showing: How the answer is written.
    """
    checked = [(path, validate_bom(bom_bytes(path))) for path in (file, *more)]
    documents = [{"file": str(path), **result.to_json()} for path, result in checked]
    valid = all(result.valid for _, result in checked)
    problems = [
        (path.name, "broken" if problem.invalid else "unwise", problem.where, problem.what)
        for path, result in checked
        for problem in result.problems
    ]
    verdicts = [
        (path.name, f"{'valid' if result.valid else 'not valid'} {result.format}")
        for path, result in checked
    ]
    table = output.Table(("file", "", "where", "what"), problems)
    output.emit(
        showing, {"valid": valid, "documents": documents}, verdicts, *([table] * bool(problems))
    )
    return 0 if valid else 1


@app.command(name="diff")
def diff_(
    before: Path,
    after: Path,
    /,
    *,
    exit_code: Flag = False,
    showing: Annotated[Showing, FLAT] = Showing(),
) -> int:
    """Compare two documents part by part, whatever formats they are in.

    The time, the tool and the order of parts make no difference.

    JSON: `equal`, `changes` (`change`, `part`, `fields`).

    Args:
        before: The earlier document.
        after: The later one.
        exit_code: Exit with 1 when they differ.
        showing: How the answer is written.
    """
    changes = diff(load_bom(before).bom, load_bom(after).bom)
    rows = [
        (
            change.what,
            change.part,
            "; ".join(f"{k}: {a} → {b}" for k, (a, b) in change.fields.items()),
        )
        for change in changes
    ]
    facts = {"equal": not changes, "changes": [change.to_json() for change in changes]}
    table = output.Table(("", "part", "fields"), rows, empty="the same parts in both")
    output.emit(showing, facts, table)
    return 1 if changes and exit_code else 0


@app.command(name="score")
def score_(
    file: Path,
    /,
    *,
    min: str | None = None,  # noqa: A002 - the flag's name
    showing: Annotated[Showing, FLAT] = Showing(),
) -> int:
    """Say how complete a document is, field by field, with the weight and reason of each.

    JSON: `score`, `fields` (`name`, `weight`, `share`, `why`, `wanted`).

    Args:
        file: The document.
        min: Exit with 1 below this score, such as 0.80.
        showing: How the answer is written.
    """
    wanted = None if min is None else _share(min)
    result = score(load_bom(file).bom)
    rows = [(field.name, str(field.weight), field.share, field.why) for field in result.fields]
    table = output.Table(("field", "weight", "share", "tells"), rows)
    output.emit(showing, result.to_json(), table, [("score", result.total)])
    return 1 if wanted is not None and float(result.total) < wanted else 0


@app.command
def convert(
    file: Path,
    /,
    *,
    to: _Spec,
    strict: Flag = False,
    output_: Annotated[_Output, Parameter(name="--output")] = None,
    showing: Annotated[Showing, FLAT] = Showing(),
) -> int:
    """Write a document in another format, and say what of it is lost.

    The document keeps its time; one that has none gets the present.

    JSON: `bom`, `losses` (`where`, `why`, `count`), `document`, the text where it goes to no file,
    `file`.

    Args:
        file: The document.
        to: The format to write.
        strict: Write nothing, and exit with 1, when something would be lost.
        output_: The file to write; standard output without it.
        showing: How the answer is written.
    """
    found = load_bom(file)
    losses = (*found.losses, *write_losses(found.bom, Spec(to)))
    if strict and losses:
        facts = {**_answer(found.bom, losses, None), "file": None}
        output.emit(showing, facts, *_lost(losses))
        return 1
    made_at = found.bom.made_at
    bom = replace(found.bom, made_at=SystemClock().now() if made_at is None else made_at)
    return _write(bom, Spec(to), output_, showing, losses)


@app.command(name="merge")
def merge_(
    file: Path,
    /,
    *more: Path,
    spec: _Spec = "cyclonedx-1.6",
    output_: Annotated[_Output, Parameter(name="--output")] = None,
    showing: Annotated[Showing, FLAT] = Showing(),
) -> int:
    """Write one document with the parts of several, which must be about one model.

    JSON: `bom`, `losses` (`where`, `why`, `count`), `document`, the text where it goes to no file,
    `file`.

    Args:
        file: A document.
        more: Further ones.
        spec: The format to write.
        output_: The file to write; standard output without it.
        showing: How the answer is written.
    """
    found = [load_bom(path) for path in (file, *more)]
    bom = merge([one.bom for one in found], SystemClock().now())
    losses = (*(loss for one in found for loss in one.losses), *write_losses(bom, Spec(spec)))
    return _write(replace(bom, tool=__version__), Spec(spec), output_, showing, losses)


def _write(
    bom: Bom, spec: Spec, target: Path | None, showing: Showing, losses: tuple[Loss, ...] = ()
) -> int:
    text = write_bom(bom, spec).decode() + "\n"
    facts = _answer(bom, losses, text if output.is_stdout(target) else None)
    rows = [("written", str(target)), ("score", score(bom).total)]
    output.emit_document(showing, text, target, facts, rows)
    if losses and not showing.as_json:
        output.notice("lost: " + "; ".join(str(loss) for loss in losses[:20]))
    return 0


def _answer(bom: Bom, losses: tuple[Loss, ...], document: str | None) -> dict[str, Json]:
    told = [loss.to_json() for loss in losses]
    return {"bom": _facts(bom), "losses": told, "document": document}


def _facts(bom: Bom) -> dict[str, Json]:
    model = bom.model
    return {
        "model": model and {
            "name": model.name,
            "version": model.version,
            "kind": model.kind,
            "digests": [str(digest) for digest in model.hashes],
            "owner": model.owner,
            "licence": model.licence or model.licence_name,
        },
        "madeAt": None if bom.made_at is None else iso(bom.made_at),
        "parts": _counts(bom),
    }  # fmt: skip


def _counts(bom: Bom) -> dict[str, Json]:
    return {
        "files": len(bom.model.files) if bom.model else 0,
        "data": len(bom.data),
        "sources": len(bom.sources),
        "images": len(bom.images),
        "packages": len(bom.packages),
        "attestations": len(bom.attestations),
        "steps": len(bom.steps),
        "assessments": len(bom.assessments),
    }


def _rows(found: Reading) -> list[tuple[str, str]]:
    model, code = found.bom.model, found.bom.code
    rows = [("format", found.format), ("serial", found.serial or "")]
    if model is not None:
        rows += [("about", f"{model.name} {model.version} ({model.kind})")]
        rows += [("digest", str(digest)) for digest in model.hashes]
        rows += [
            ("owner", model.owner or ""),
            ("licence", model.licence or model.licence_name or ""),
        ]
        rows += [("metric", f"{m.name} {m.value}") for m in model.metrics]
    rows += [("made", iso(found.bom.made_at) if found.bom.made_at is not None else "")]
    rows += [("commit", code.commit or "")] if code else []
    rows += [("score", score(found.bom).total)]
    return [row for row in rows if row[1]]


def _tables(bom: Bom) -> list[output.Table]:
    rows = [("data", part.name, part.role, str(part.digest or "")) for part in bom.data]
    rows += [
        ("model", s.name, s.relation, str(s.hashes[0]) if s.hashes else "") for s in bom.sources
    ]
    rows += [
        ("image", part.name, part.version or "", str(part.digest or "")) for part in bom.images
    ]
    rows += [(part.kind, part.name, part.version, part.licence or "") for part in bom.packages]
    headers = ("kind", "name", "role or version", "digest or licence")
    return [output.Table(headers, rows)] if rows else []


def _lost(losses: tuple[Loss, ...]) -> list[output.Table]:
    rows = [(loss.where, loss.why, str(loss.count)) for loss in losses]
    return [output.Table(("not understood", "why", "times"), rows)] if rows else []


def _roles(texts: tuple[str, ...]) -> dict[str, Path]:
    pairs = [text.partition("=") for text in texts]
    found = {role: Path(path) for role, mark, path in pairs if mark and role and path}
    if len(found) < len(texts):
        raise UsageError(
            "not ROLE=PATH, or a role twice",
            where="--data",
            next_step="write it as training=train.csv, once for each role",
            slug="bad-data",
        )
    return found


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value <= 1:
        raise UsageError(
            "not a score",
            where="--min",
            next_step="write it as a number from 0 to 1, such as 0.80",
            slug="bad-score",
        )
    return value
