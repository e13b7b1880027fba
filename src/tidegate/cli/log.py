"""``tidegate log``: read, prove, check and export the ledger."""

import re
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from tidegate.app import logbook, witnessing
from tidegate.app.reading import about
from tidegate.app.trust import CHAIN, named_trust, read_pin, read_trust
from tidegate.app.workspace import HOME, Workspace, check_home
from tidegate.cli import output, session
from tidegate.cli.listening import listen
from tidegate.cli.options import FLAT, Reading, Serving, Target
from tidegate.cli.witness import app as witness_app
from tidegate.cli.witness import read_bytes
from tidegate.core.canonical import Json
from tidegate.core.clock import iso
from tidegate.core.digest import Digest
from tidegate.core.errors import UsageError, VerificationError
from tidegate.logbook.export import export as export_folder

app = App(name="log", help="Read, prove, check and export the ledger.")
app.command(witness_app)

_DAMAGED = VerificationError.exit_code
_DIGEST = re.compile(r"(sha256:[0-9a-f]{12})[0-9a-f]{52}")
_LISTEN = "127.0.0.1:8441"
_Reading = Annotated[Reading, FLAT]


@app.command
def show(
    *,
    start: Annotated[int | None, Parameter(name="--from")] = None,
    limit: int = 20,
    reading: _Reading = Reading(),
) -> int:
    """Show entries with what their statements say; exit 5 where one is damaged.

    JSON: `size`, of the log; `entries` (`index`, `kind`, `time`, `actor`, `says`, `state`,
    `subjects`, `envelope`).

    Args:
        start: First entry; the newest ones without it.
        limit: How many.
        reading: Where the workspace is, and how the answer is shown.
    """
    workspace = session.reading(reading)
    size = workspace.log.head.size
    first = max(0, size - limit) if start is None else max(0, start)
    lines = list(logbook.read_log(workspace, first, max(0, limit)))
    table = output.Table(
        ("log", "time", "kind", "actor", "says", "state"),
        [
            (line.index, iso(line.time)[:19], line.kind, line.actor, _short(line.says), line.state)
            for line in lines
        ],
        f"no entry from {first} on: the log has {size}",
    )
    output.emit(reading, {"size": size, "entries": [line.to_json() for line in lines]}, table)
    return _DAMAGED if any(line.damaged for line in lines) else 0


@app.command
def head(
    *,
    output_file: Annotated[Target | None, Parameter(name="--output")] = None,
    reading: _Reading = Reading(),
) -> int:
    """Write the newest signed head (a C2SP checkpoint with its cosignatures).

    JSON: `log`, `size`, `root`, `cosigned`, by whom; `note`, the head itself; `file`.

    Args:
        output_file: The file to write; - or none is standard output.
        reading: Where the workspace is, and how the answer is shown.
    """
    newest = logbook.newest_head(session.reading(reading))
    point, note = newest.checkpoint, newest.note.decode()
    facts = {
        "log": point.origin,
        "size": point.size,
        "root": point.root.hex(),
        "cosigned": [one.witness for one in newest.cosignatures],
        "note": note,
    }
    rows = [("head", f"{output_file}: {point.origin} at {point.size} entries")]
    output.emit_document(reading, note, output_file, facts, rows)
    return 0


@app.command
def prove(
    entry: str,
    /,
    *,
    output_file: Annotated[Target | None, Parameter(name="--output")] = None,
    reading: _Reading = Reading(),
) -> int:
    """Prove that an entry is in the log, in one file that verifies offline (C2SP tlog-proof).

    JSON: `log`, `index`; `proof`, the proof itself; `file`.

    Args:
        entry: An index, the digest of an envelope, or that of an artifact (its newest entry).
        output_file: The file to write, by custom x.tlog-proof; - or none is standard output.
        reading: Where the workspace is, and how the answer is shown.
    """
    workspace = session.reading(reading)
    index = logbook.index_of(workspace, entry)
    proof = logbook.prove(workspace, index).to_bytes().decode()
    facts = {"log": workspace.origin, "index": index, "proof": proof}
    rows = [
        ("proof", f"{output_file}: entry {index} of {workspace.origin}"),
        ("verify", output.Whole(f"tidegate log verify-proof {output_file}")),
    ]
    output.emit_document(reading, proof, output_file, facts, rows)
    return 0


@app.command
def verify_proof(
    file: Path,
    /,
    *,
    trust: Path | None = None,
    pin: str | None = None,
    reading: _Reading = Reading(),
) -> int:
    """Verify a proof file by a trust root; no store, no network.

    JSON: `verified`, `index`, `log`, `size`, `kind`, `time`, `actor`, `subjects`, `envelope`;
    `cosigned`, by whom.

    Args:
        file: What `tidegate log prove` wrote.
        trust: The trust root file; the workspace's without it.
        pin: The digest of its first version, as `tidegate init` showed it.
        reading: Where the workspace is, which is not needed with --trust; how the answer is shown.
    """
    home = reading.workspace / HOME
    if trust is None:
        check_home(reading.workspace)
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
    rows = [(name, _said(value)) for name, value in facts.items() if value not in (None, [])]
    said = [("proved", "the entry is in the log"), *rows]
    output.emit(reading, {"verified": True, **facts}, said)
    return 0


@app.command
def check(*, reading: _Reading = Reading()) -> int:
    """Read all of the log again: entries, tiles, heads, envelopes; exit 5 on any damage.

    JSON: `ok`, `entries`, `tiles`, `checkpoint`, `unknown`, `envelopes`, `erased`, all numbers but
    the first; `damages` (`slug`, `where`, `what`).

    Args:
        reading: Where the workspace is, and how the answer is shown.
    """
    found = logbook.check_log(session.reading(reading))
    report = found.report
    signed = "none is signed" if report.checkpoint is None else f"signed at {report.checkpoint}"
    rows = [
        ("entries", f"{report.entries}, {report.unknown} of them unknown to this version"),
        ("tiles", str(report.tiles)),
        ("head", signed),
        ("envelopes", f"{found.envelopes} whole, {found.erased} erased"),
    ]
    rows += [("damage", f"{one.slug}, {one.where}: {one.what}") for one in found.damages[:50]]
    rows.append(("result", f"{len(found.damages)} damages" if found.damages else "whole"))
    output.emit(reading, found.to_json(), rows)
    return _DAMAGED if found.damages else 0


@app.command
def export(folder: Path, /, *, reading: _Reading = Reading()) -> int:
    """Write the log as static files that any web server can serve (C2SP tlog-tiles).

    JSON: `log`, `size`, `folder`.

    Args:
        folder: A new folder, or one that an earlier export made, which is brought up to date.
        reading: Where the workspace is, and how the answer is shown.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(
            "this is no folder",
            where=str(folder),
            next_step="name a new folder, or one that an earlier export made",
            slug="not-a-folder",
        )
    written = export_folder(session.reading(reading).log, folder)
    facts = {"log": written.origin, "size": written.size, "folder": str(folder)}
    output.emit(reading, facts, [("log", f"{written.origin}, {written.size} entries, in {folder}")])
    return 0


@app.command
def cosign(
    witness: str | None = None,
    /,
    *,
    request: Target | None = None,
    old: int = 0,
    reading: _Reading = Reading(),
) -> int:
    """Have a witness cosign the newest head, over HTTP or by file.

    JSON: `log`, `size`; `cosigned`, by whom; `request`, what a witness is to be handed, or null;
    `file`, where the request was written.

    Args:
        witness: The witness's URL, or a file with its cosignature lines.
        request: Write a request here instead, for a witness that is reached by file; - is
            standard output.
        old: With --request: the size of the log that the witness saw last.
        reading: Where the workspace is, and how the answer is shown.
    """
    workspace = session.reading(reading)
    if request is not None or witness is None:
        body = witnessing.request(workspace, old).decode()
        facts = {**_head(workspace), "cosigned": [], "request": body}
        output.emit_document(reading, body, request, facts, [("request", str(request))])
        output.notice("next: tidegate log witness answer FOLDER REQUEST, then log cosign ANSWER")
        return 0
    if witness.startswith(("http://", "https://")):
        from tidegate.client import HttpLog  # noqa: PLC0415 - httpx only when a URL is asked

        with HttpLog(witness) as remote:
            lines = witnessing.ask(workspace, remote.add_checkpoint)
    else:
        lines = witnessing.accept(workspace, read_bytes(Path(witness)))
    names = [line.name for line in lines]
    facts = {**_head(workspace), "cosigned": names, "request": None, "file": None}
    by = f"{facts['log']} at {facts['size']} entries by {', '.join(names)}"
    output.emit(reading, facts, [("cosigned", by)])
    return 0


@app.command
def serve(
    *,
    address: Annotated[str, Parameter(name="--listen")] = _LISTEN,
    serving: Annotated[Serving, FLAT] = Serving(),
) -> int:
    """Serve the log's tiles and head over HTTP, to clients, mirrors and witnesses.

    JSON: `serving`, the log's name; `url`. It is written when the server listens.

    Args:
        address: HOST:PORT to listen on.
        serving: How the log's key is opened, which is needed only where a head is not signed
            yet; how the answer is shown.
    """
    from tidegate.api.ledger import ledger_app  # noqa: PLC0415 - starlette only to serve

    workspace = session.acting(serving)
    workspace.log.checkpoint()
    return listen(ledger_app(workspace.log), address, serving, workspace.origin)


def _head(workspace: Workspace) -> dict[str, Json]:
    return {"log": workspace.origin, "size": workspace.log.head.size}


def _said(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _short(text: str) -> str:
    """Cut digests to what tells them apart in a table."""
    return _DIGEST.sub(r"\1", text)
