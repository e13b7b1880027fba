"""Both sides of witnessing: a folder that is a witness, and a log that asks for cosignatures.

A witness is no workspace: it holds a key, the logs that it knows, and the last head of each, which
it must never forget.
"""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from tidegate.app.workspace import Workspace
from tidegate.core.canonical import dumps, loads
from tidegate.core.clock import Clock
from tidegate.core.errors import RemoteError, UsageError, VerificationError
from tidegate.core.identity.reading import Fields
from tidegate.core.identity.trust import Purpose
from tidegate.core.ledger.checkpoint import Checkpoint
from tidegate.core.ledger.note import (
    COSIGNATURE,
    Note,
    NoteKey,
    NoteSignature,
    NoteSigner,
    parse_signatures,
)
from tidegate.core.verify import note_keys
from tidegate.custody.keystore import KeyStore
from tidegate.logbook.durable import read_file, replace_file
from tidegate.logbook.witness import (
    FileWitnessState,
    Post,
    Request,
    Witness,
    request_cosignature,
)

FILE = "witness.json"
SCHEMA = "tidegate/witness/v1"
_KEYS, _HEADS, _PRINCIPAL = "keys", "heads", "witness"
_MAX_LOGS = 10_000
_MAX_FILE = 8 << 20
_OK, _CONFLICT = 200, 409


def make_witness(folder: Path, name: str, logs: Sequence[str], passphrase: bytes | None) -> NoteKey:
    """Make a witness in a folder; its key is new.

    Args:
        folder: Where.
        name: Its name in cosignatures; no spaces, no plus sign.
        logs: Verifier keys of the logs that it is to watch.
        passphrase: What seals its key; ``None`` leaves it unsealed.

    Raises:
        UsageError: There is one already, or the name can't be one.
        VerificationError: A log's key is malformed.
    """
    if (folder / FILE).exists():
        raise UsageError(
            "there is a witness here already",
            where=str(folder),
            next_step="use it, or name another folder",
            slug="witness-exists",
        )
    if folder.exists() and not folder.is_dir():
        raise UsageError(
            "this is no folder",
            where=str(folder),
            next_step="name a new folder, apart from the logs",
            slug="not-a-folder",
        )
    NoteKey(name, COSIGNATURE, bytes(32))  # refuses a bad name before a key is made
    for vkey in logs:
        NoteKey.from_vkey(vkey)
    key = KeyStore(folder / _KEYS).create(_PRINCIPAL, passphrase=passphrase)
    _write(folder, name, logs)
    return NoteKey(name, COSIGNATURE, key.verifier.raw)


def watch(folder: Path, vkey: str) -> None:
    """Let a witness know one more log, or one more key of it.

    Raises:
        UsageError: There is no witness.
        VerificationError: The key is malformed.
    """
    name, logs = _read(folder)
    NoteKey.from_vkey(vkey)
    _write(folder, name, list(dict.fromkeys([*logs, vkey])))


def open_witness(folder: Path, passphrase: bytes | None, clock: Clock) -> Witness:
    """Open a witness, able to cosign.

    Raises:
        UsageError: There is none.
        AccessError: Its key can't be opened.
    """
    name, vkeys = _read(folder)
    key = KeyStore(folder / _KEYS).load(_PRINCIPAL, passphrase=passphrase)
    logs = defaultdict[str, list[NoteKey]](list)
    for vkey in vkeys:
        logs[NoteKey.from_vkey(vkey).name].append(NoteKey.from_vkey(vkey))
    signer = NoteSigner(NoteKey(name, COSIGNATURE, key.verifier.raw), key.sign)
    return Witness(FileWitnessState(folder / _HEADS), signer, clock, logs)


def answer(witness: Witness, body: bytes) -> bytes:
    """Answer a request that came as a file; return the cosignature lines.

    Raises:
        RemoteError: The witness refuses.
    """
    response = witness.add_checkpoint(body)
    if response.status == _OK:
        return response.body
    if response.status == _CONFLICT:
        seen = response.body.decode().strip()
        cause, step = f"it saw size {seen}", f"make the request with --old {seen}"
    else:
        cause, step = f"status {response.status}", "check that it knows this log and its key"
    raise RemoteError("the witness refuses", cause=cause, next_step=step, slug="witness")


def ask(workspace: Workspace, post: Post) -> tuple[NoteSignature, ...]:
    """Ask a witness to cosign the newest head, and keep what it signs.

    Raises:
        UsageError: The trust root names no witness.
        ForkError: The witness saw a head that this one does not continue.
        RemoteError: It refuses, or can't be reached.
        TrustError: An unknown key signed.
    """
    keys = _witnesses(workspace)
    note = workspace.log.checkpoint()
    size = Checkpoint.parse(Note.parse(note).text).size
    lines = request_cosignature(
        post, note, lambda old: workspace.log.prove_consistency(old, size), keys
    )
    workspace.log.cosign(lines, keys)
    return lines


def request(workspace: Workspace, old: int) -> bytes:
    """Return the body of a request, for a witness that is reached by file.

    Raises:
        ProofError: The log never had that size.
    """
    note = workspace.log.checkpoint()
    size = Checkpoint.parse(Note.parse(note).text).size
    proof = workspace.log.prove_consistency(old, size) if old else ()
    return Request(old, tuple(proof), note).to_bytes()


def accept(workspace: Workspace, data: bytes) -> tuple[NoteSignature, ...]:
    """Keep cosignatures that came as a file: bare lines, or the note with them.

    Raises:
        UsageError: The trust root names no witness.
        VerificationError: They are none, by no known witness, or over another head.
    """
    keys = _witnesses(workspace)
    try:
        lines = Note.parse(data).signatures
    except VerificationError:
        try:
            lines = parse_signatures(data.decode("utf-8", "replace"))
        except VerificationError as error:
            error.next_step = "give the file that `tidegate log witness answer` wrote"
            raise
    known = {(key.name, key.key_id) for key in keys}
    fitting = tuple(line for line in lines if (line.name, line.key_id) in known)
    if not fitting:
        raise VerificationError(
            "no witness of the trust root signed this",
            where=", ".join(sorted({line.name for line in lines}))[:200],
            next_step="run `tidegate trust add-witness` with the witness's key first",
            slug="unknown-witness",
        )
    workspace.log.cosign(fitting, keys)
    return fitting


def _witnesses(workspace: Workspace) -> tuple[NoteKey, ...]:
    keys = note_keys(workspace.trust, Purpose.WITNESS)
    if not keys:
        raise UsageError(
            "the trust root names no witness",
            next_step="run `tidegate trust add-witness` with its verifier key",
            slug="no-witness",
        )
    return keys


def _read(folder: Path) -> tuple[str, tuple[str, ...]]:
    data = read_file(folder / FILE, limit=_MAX_FILE)
    if data is None:
        raise UsageError(
            "there is no witness here",
            where=str(folder),
            next_step="run `tidegate log witness init`",
            slug="no-witness-folder",
        )
    fields = Fields(loads(data, what="the witness's file", limit=_MAX_FILE), "witness")
    if fields.text("schema", limit=100) != SCHEMA:
        raise fields.refuse("this version can't read it", where="schema")
    return fields.text("name", limit=200), fields.texts("logs", limit=_MAX_LOGS)


def _write(folder: Path, name: str, logs: Sequence[str]) -> None:
    body = dumps({"schema": SCHEMA, "name": name, "logs": list(logs)})
    replace_file(folder / FILE, body)
