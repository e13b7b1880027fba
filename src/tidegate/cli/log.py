"""``tidegate log``: read, prove, check and export the ledger."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from tidegate.app import logbook, witnessing
from tidegate.app.reading import about
from tidegate.app.trust import CHAIN, named_trust, read_pin, read_trust
from tidegate.app.workspace import HOME, check_home
from tidegate.cli import output, session
from tidegate.cli.options import FLAT, Place, Signing
from tidegate.cli.witness import app as witness_app
from tidegate.cli.witness import listen, read_bytes
from tidegate.core.clock import iso
from tidegate.core.digest import Digest
from tidegate.core.errors import UsageError, VerificationError
from tidegate.logbook.export import export as export_folder

app = App(name="log", help="Read, prove, check and export the ledger.")
app.command(witness_app)

_DAMAGED = VerificationError.exit_code
_LISTEN = "127.0.0.1:8441"
_Shape = output.Shape


@app.command
def show(
    *,
    start: Annotated[int | None, Parameter(name="--from")] = None,
    limit: int = 20,
    place: Annotated[Place, FLAT] = Place(),
    format: _Shape = _Shape.TEXT,  # noqa: A002 - the flag's name
) -> int:
    """Show entries with what their statements say; exit 5 where one is damaged.

    Args:
        start: First entry; the newest ones without it.
        limit: How many.
        place: Where the workspace is.
        format: Text or one JSON document.
    """
    workspace = session.reading(place)
    size = workspace.log.head.size
    first = max(0, size - limit) if start is None else max(0, start)
    lines = list(logbook.read_log(workspace, first, max(0, limit)))
    if format is output.Shape.JSON:
        output.emit_json({"size": size, "entries": [line.to_json() for line in lines]})
    else:
        output.emit_table(
            ("log", "time", "kind", "actor", "says", "state"),
            [
                (line.index, iso(line.time)[:19], line.kind, line.actor, line.says, line.state)
                for line in lines
            ],
        )
    return _DAMAGED if any(line.damaged for line in lines) else 0


@app.command
def head(
    *,
    output_file: Annotated[Path | None, Parameter(name="--output")] = None,
    place: Annotated[Place, FLAT] = Place(),
) -> int:
    """Write the newest signed head (a C2SP checkpoint with its cosignatures).

    Args:
        output_file: The file to write; standard output without it.
        place: Where the workspace is.
    """
    return _write(logbook.newest_head(session.reading(place)).note.decode(), output_file)


@app.command
def prove(
    entry: str,
    /,
    *,
    output_file: Annotated[Path | None, Parameter(name="--output")] = None,
    place: Annotated[Place, FLAT] = Place(),
) -> int:
    """Prove that an entry is in the log, in one file that verifies offline (C2SP tlog-proof).

    Args:
        entry: An index, the digest of an envelope, or that of an artifact (its newest entry).
        output_file: The file to write, by custom x.tlog-proof; standard output without it.
        place: Where the workspace is.
    """
    workspace = session.reading(place)
    proof = logbook.prove(workspace, logbook.index_of(workspace, entry))
    return _write(proof.to_bytes().decode(), output_file)


@app.command
def verify_proof(
    file: Path,
    /,
    *,
    trust: Path | None = None,
    pin: str | None = None,
    place: Annotated[Place, FLAT] = Place(),
    format: _Shape = _Shape.TEXT,  # noqa: A002 - the flag's name
) -> int:
    """Verify a proof file by a trust root; no store, no network.

    Args:
        file: What `tidegate log prove` wrote.
        trust: The trust root file; the workspace's without it.
        pin: The digest of its first version, as `tidegate init` showed it.
        place: Where the workspace is; not needed with --trust.
        format: Text or one JSON document.
    """
    home = place.workspace / HOME
    if trust is None:
        check_home(place.workspace)
    anchor = Digest.parse(pin) if pin else (None if trust else read_pin(home))
    root = named_trust(trust, anchor) if trust else read_trust(home / CHAIN, anchor)
    if anchor is None:
        output.notice(f"trusting {root.workspace} by the file alone; pin it with --pin")
    data = read_bytes(file)
    with about(file):
        proof, entry, verified = logbook.verify_proof(data, root)
    facts = {
        "index": proof.index,
        "log": verified.checkpoint.origin,
        "size": verified.checkpoint.size,
        "kind": entry.kind,
        "time": iso(entry.time),
        "actor": entry.actor,
        "subjects": list(entry.subjects),
        "envelope": entry.envelope,
        "cosigned": [one.witness for one in verified.cosignatures],
    }
    if format is output.Shape.JSON:
        output.emit_json({"verified": True, **facts})
    else:
        rows = [(name, str(value)) for name, value in facts.items() if value]
        output.emit_text([("proved", "the entry is in the log"), *rows])
    return 0


@app.command
def check(*, place: Annotated[Place, FLAT] = Place(), format: _Shape = _Shape.TEXT) -> int:  # noqa: A002 - the flag's name
    """Read all of the log again: entries, tiles, heads, envelopes; exit 5 on any damage.

    Args:
        place: Where the workspace is.
        format: Text or one JSON document.
    """
    found = logbook.check_log(session.reading(place))
    if format is output.Shape.JSON:
        output.emit_json(found.to_json())
        return _DAMAGED if found.damages else 0
    report = found.report
    rows = [
        ("entries", f"{report.entries}, {report.unknown} of them unknown to this version"),
        ("tiles", str(report.tiles)),
        (
            "head",
            "none is signed" if report.checkpoint is None else f"signed at {report.checkpoint}",
        ),
        ("envelopes", f"{found.envelopes} whole, {found.erased} erased"),
    ]
    rows += [("damage", f"{one.slug}, {one.where}: {one.what}") for one in found.damages[:50]]
    rows.append(("result", f"{len(found.damages)} damages" if found.damages else "whole"))
    output.emit_text(rows)
    return _DAMAGED if found.damages else 0


@app.command
def export(folder: Path, /, *, place: Annotated[Place, FLAT] = Place()) -> int:
    """Write the log as static files that any web server can serve (C2SP tlog-tiles).

    Args:
        folder: A new folder, or one that an earlier export made, which is brought up to date.
        place: Where the workspace is.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(
            "this is no folder",
            where=str(folder),
            next_step="name a new folder, or one that an earlier export made",
            slug="not-a-folder",
        )
    written = export_folder(session.reading(place).log, folder)
    output.emit_text([("log", f"{written.origin}, {written.size} entries, in {folder}")])
    return 0


@app.command
def cosign(
    witness: str | None = None,
    /,
    *,
    request: Path | None = None,
    old: int = 0,
    place: Annotated[Place, FLAT] = Place(),
) -> int:
    """Have a witness cosign the newest head, over HTTP or by file.

    Args:
        witness: The witness's URL, or a file with its cosignature lines.
        request: Write a request here instead, for a witness that is reached by file.
        old: With --request: the size of the log that the witness saw last.
        place: Where the workspace is.
    """
    workspace = session.reading(place)
    if request is not None or witness is None:
        body = witnessing.request(workspace, old).decode()
        code = _write(body, request)
        output.notice("next: tidegate log witness answer FOLDER REQUEST, then log cosign ANSWER")
        return code
    if witness.startswith(("http://", "https://")):
        from tidegate.client import HttpLog  # noqa: PLC0415 - httpx only when a URL is asked

        with HttpLog(witness) as remote:
            lines = witnessing.ask(workspace, remote.add_checkpoint)
    else:
        lines = witnessing.accept(workspace, read_bytes(Path(witness)))
    size = workspace.log.head.size
    names = ", ".join(line.name for line in lines)
    output.emit_text([("cosigned", f"{workspace.origin} at {size} entries by {names}")])
    return 0


@app.command
def serve(
    *, address: Annotated[str, Parameter(name="--listen")] = _LISTEN,
    signing: Annotated[Signing, FLAT] = Signing(),
) -> int:  # fmt: skip
    """Serve the log's tiles and head over HTTP, to clients, mirrors and witnesses.

    Args:
        address: HOST:PORT to listen on.
        signing: How the log's key is opened; needed only where a head is not signed yet.
    """
    from tidegate.api.ledger import ledger_app  # noqa: PLC0415 - starlette only to serve

    workspace = session.acting(signing)
    workspace.log.checkpoint()
    return listen(ledger_app(workspace.log), address, f"{workspace.origin} at")


def _write(text: str, file: Path | None) -> int:
    if file is None:
        output.write(text)
    else:
        output.save(file, text)
    return 0
