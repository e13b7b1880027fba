"""``tidegate log witness``: be the second party that signs only heads that continue what it saw."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from tidegate.app import witnessing
from tidegate.app.reading import read_file
from tidegate.cli import output
from tidegate.cli.listening import listen
from tidegate.cli.options import FLAT, Flag, Showing, Target, Texts, read_passphrase
from tidegate.core.clock import SystemClock
from tidegate.core.ledger.note import MAX_NOTE

app = App(name="witness", help="Be a witness of other logs.")

_LISTEN = "127.0.0.1:8442"
_PROMPT = "Passphrase of the witness's key"
_Showing = Annotated[Showing, FLAT]


@app.command
def init(
    folder: Path,
    /,
    *,
    name: str,
    log: Texts = (),
    passphrase_fd: int | None = None,
    passphrase_file: Path | None = None,
    unsealed: Flag = False,
    dry_run: Flag = False,
    showing: _Showing = Showing(),
) -> int:
    """Make a witness: a key, the logs that it watches, and a memory. Keep it apart from the logs.

    JSON: `name`, `folder`; `key`, its verifier key, null on a dry run; `sealed`, `logs`, `dryRun`.

    Args:
        folder: Where.
        name: Its name in cosignatures, such as witness.example/w1.
        log: Verifier key of a log, as `tidegate trust show` shows it; may be given several times.
        passphrase_fd: Read the passphrase that seals its key from this descriptor.
        passphrase_file: Read it from this file.
        unsealed: Leave the key unsealed.
        dry_run: Say what would be made; write nothing.
        showing: How the answer is shown.
    """
    facts = {"name": name, "folder": str(folder.absolute()), "logs": list(log)}
    if dry_run:
        would = [("would make", f"{name} in {folder.absolute()}, to watch {len(log)} logs")]
        unmade = {"key": None, "sealed": not unsealed, "dryRun": True}
        output.emit(showing, {**facts, **unmade}, would)
        output.notice("dry run: nothing was made")
        return 0
    prompt = None if unsealed else "Passphrase that seals the witness's key"
    passphrase = read_passphrase(passphrase_fd, passphrase_file, prompt=prompt, confirm=True)
    key = witnessing.make_witness(folder, name, log, passphrase)
    output.emit(
        showing,
        {**facts, "key": key.vkey, "sealed": passphrase is not None, "dryRun": False},
        [
            ("witness", f"{name} in {folder.absolute()}"),
            ("key", key.vkey),
            ("kept", "sealed" if passphrase else "NOT sealed: as safe as this disk"),
            ("next", f"tidegate trust add-witness {key.vkey}"),
        ],
    )
    return 0


@app.command
def watch(folder: Path, vkey: str, /, *, showing: _Showing = Showing()) -> int:
    """Let a witness know one more log, or a log's new key.

    JSON: `watched`, the verifier key.

    Args:
        folder: The witness.
        vkey: The log's verifier key, as `tidegate trust show` shows it.
        showing: How the answer is shown.
    """
    witnessing.watch(folder, vkey)
    output.emit(showing, {"watched": vkey}, [("watched", vkey)])
    return 0


@app.command
def answer(
    folder: Path,
    request: Path,
    /,
    *,
    output_file: Annotated[Target | None, Parameter(name="--output")] = None,
    passphrase_fd: int | None = None,
    passphrase_file: Path | None = None,
    showing: _Showing = Showing(),
) -> int:
    """Answer a request that came as a file, with a cosignature line.

    JSON: `cosignature`, the line itself; `file`.

    Args:
        folder: The witness.
        request: What `tidegate log cosign --request` wrote.
        output_file: The file to write; - or none is standard output.
        passphrase_fd: Read the key's passphrase from this descriptor.
        passphrase_file: Read it from this file.
        showing: How the answer is shown.
    """
    passphrase = read_passphrase(passphrase_fd, passphrase_file, prompt=_PROMPT)
    witness = witnessing.open_witness(folder, passphrase, SystemClock())
    lines = witnessing.answer(witness, read_bytes(request)).decode()
    rows = [("answer", f"{output_file}: hand it back, for tidegate log cosign {output_file}")]
    output.emit_document(showing, lines, output_file, {"cosignature": lines}, rows)
    return 0


@app.command
def serve(
    folder: Path,
    /,
    *,
    address: Annotated[str, Parameter(name="--listen")] = _LISTEN,
    passphrase_fd: int | None = None,
    passphrase_file: Path | None = None,
    showing: _Showing = Showing(),
) -> int:
    """Answer requests over HTTP (C2SP tlog-witness, POST /add-checkpoint).

    JSON: `serving`, `url`. It is written when the server listens.

    Args:
        folder: The witness.
        address: HOST:PORT to listen on.
        passphrase_fd: Read the key's passphrase from this descriptor.
        passphrase_file: Read it from this file.
        showing: How the answer is shown.
    """
    from tidegate.api.ledger import witness_app  # noqa: PLC0415 - starlette only to serve

    passphrase = read_passphrase(passphrase_fd, passphrase_file, prompt=_PROMPT)
    witness = witnessing.open_witness(folder, passphrase, SystemClock())
    return listen(witness_app(witness), address, showing, "the witness")


def read_bytes(file: Path) -> bytes:
    """Read a small file whole.

    Raises:
        SubjectError: There is none, or it is too large.
        UnreadableSubject: It can't be read.
    """
    return read_file(file, what="the file", limit=4 * MAX_NOTE)
