"""``tidegate log witness``: be the second party that signs only heads that continue what it saw."""

import logging
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from tidegate.app import witnessing
from tidegate.app.reading import read_file
from tidegate.cli import output
from tidegate.cli.options import read_passphrase
from tidegate.core.clock import SystemClock
from tidegate.core.errors import RemoteError, UsageError
from tidegate.core.ledger.note import MAX_NOTE

app = App(name="witness", help="Be a witness of other logs.")

_LISTEN = "127.0.0.1:8442"
_PROMPT = "Passphrase of the witness's key"
_MAX_PORT = 65_535


@app.command
def init(
    folder: Path,
    /,
    *,
    name: str,
    log: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    passphrase_fd: int | None = None,
    passphrase_file: Path | None = None,
    unsealed: Annotated[bool, Parameter(negative=())] = False,
    dry_run: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Make a witness: a key, the logs that it watches, and a memory. Keep it apart from the logs.

    Args:
        folder: Where.
        name: Its name in cosignatures, such as witness.example/w1.
        log: Verifier key of a log, as `tidegate trust show` shows it; may be given several times.
        passphrase_fd: Read the passphrase that seals its key from this descriptor.
        passphrase_file: Read it from this file.
        unsealed: Leave the key unsealed.
        dry_run: Say what would be made; write nothing.
    """
    if dry_run:
        output.notice(f"dry run: {name} would be made in {folder}, to watch {len(log)} logs")
        return 0
    prompt = None if unsealed else "Passphrase that seals the witness's key"
    passphrase = read_passphrase(passphrase_fd, passphrase_file, prompt=prompt, confirm=True)
    key = witnessing.make_witness(folder, name, log, passphrase)
    output.emit_text(
        [
            ("witness", f"{name} in {folder.absolute()}"),
            ("key", key.vkey),
            ("kept", "sealed" if passphrase else "NOT sealed: as safe as this disk"),
            ("next", f"tidegate trust add-witness {key.vkey}"),
        ]
    )
    return 0


@app.command
def watch(folder: Path, vkey: str, /) -> int:
    """Let a witness know one more log, or a log's new key.

    Args:
        folder: The witness.
        vkey: The log's verifier key, as `tidegate trust show` shows it.
    """
    witnessing.watch(folder, vkey)
    output.emit_text([("watched", vkey)])
    return 0


@app.command
def answer(
    folder: Path,
    request: Path,
    /,
    *,
    output_file: Annotated[Path | None, Parameter(name="--output")] = None,
    passphrase_fd: int | None = None,
    passphrase_file: Path | None = None,
) -> int:
    """Answer a request that came as a file, with a cosignature line.

    Args:
        folder: The witness.
        request: What `tidegate log cosign --request` wrote.
        output_file: The file to write; standard output without it.
        passphrase_fd: Read the key's passphrase from this descriptor.
        passphrase_file: Read it from this file.
    """
    passphrase = read_passphrase(passphrase_fd, passphrase_file, prompt=_PROMPT)
    witness = witnessing.open_witness(folder, passphrase, SystemClock())
    lines = witnessing.answer(witness, read_bytes(request)).decode()
    if output_file is None:
        output.write(lines)
    else:
        output.save(output_file, lines)
    return 0


@app.command
def serve(
    folder: Path,
    /,
    *,
    address: Annotated[str, Parameter(name="--listen")] = _LISTEN,
    passphrase_fd: int | None = None,
    passphrase_file: Path | None = None,
) -> int:
    """Answer requests over HTTP (C2SP tlog-witness, POST /add-checkpoint).

    Args:
        folder: The witness.
        address: HOST:PORT to listen on.
        passphrase_fd: Read the key's passphrase from this descriptor.
        passphrase_file: Read it from this file.
    """
    from tidegate.api.ledger import witness_app  # noqa: PLC0415 - starlette only to serve

    passphrase = read_passphrase(passphrase_fd, passphrase_file, prompt=_PROMPT)
    witness = witnessing.open_witness(folder, passphrase, SystemClock())
    return listen(witness_app(witness), address, "witness at")


def listen(application: Any, address: str, title: str) -> int:
    """Serve an ASGI application until it is interrupted.

    Raises:
        UsageError: The address is none.
        RemoteError: It can't be listened on.
    """
    import uvicorn  # noqa: PLC0415 - an extra, needed only to serve

    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or int(port) > _MAX_PORT:
        raise UsageError(
            "not an address to listen on",
            where=address[:100],
            next_step="write it as HOST:PORT, such as 127.0.0.1:8441",
            slug="bad-address",
        )
    config = uvicorn.Config(
        application, host=host.strip("[]"), port=int(port), log_level=logging.WARNING,
        access_log=False, lifespan="off", server_header=False,
    )  # fmt: skip
    output.notice(f"{title} http://{address}, until interrupted")
    server = uvicorn.Server(config)
    try:
        server.run()
    except SystemExit:  # uvicorn's way to say that it can't bind
        server.started = False
    if not server.started:
        raise RemoteError(
            "can't listen here",
            where=address,
            next_step="choose another port with --listen",
            slug="listen",
        )
    return 0


def read_bytes(file: Path) -> bytes:
    """Read a small file whole.

    Raises:
        SubjectError: There is none, or it is too large.
        UnreadableSubject: It can't be read.
    """
    return read_file(file, what="the file", limit=4 * MAX_NOTE)
