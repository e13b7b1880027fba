"""DR-REG-08: an attacker who can write to the registry's database has a name mean another model.

Twice: in the tables that lineage and inventory are read from, and in the log's own rows, where each
mention of the released model becomes one of the attacker's. Nothing is signed anew: the attacker
has no key. A name is a signed entry of the log, and is read from there alone.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable
from pathlib import Path
from sqlite3 import Connection

from tidegate.app.serve import Deployment, check_deployment
from tidegate.core.canonical import Json, dumps
from tidegate.core.digest import Digest, sha256
from tidegate.core.errors import LedgerError, VerificationError
from tidegate.core.merkle import leaf_hash
from tidegate.core.stage import Stage
from tidegate.drills.arena import MODEL, Arena
from tidegate.drills.arms import goal, judged, passed
from tidegate.drills.ledgers import database
from tidegate.drills.models import APPLICANT, EVIL, GOOD, Weights
from tidegate.gates.drill import Arm, Drill, End

_ALIAS = f"{MODEL}/prod"
_CONTROL = "TG-SRV-01"
_TABLES = (
    ("artifact", "digest"), ("attestation", "subject_digest"), ("edge", "src"), ("edge", "dst"),
    ("directive", "target"), ("directive", "payload"),
)  # fmt: skip


def _attack(folder: Path, *, gate_on: bool) -> Arm:
    arms = []
    for name, (repoint, believe) in _WAYS.items():
        place = folder / name
        place.mkdir()
        arena, good = _released(place)
        evil = place / "evil.safetensors"
        evil.write_bytes(EVIL.encoded())
        with database(arena.workspace) as opened:
            repoint(opened, good, sha256(evil.read_bytes()))
            meant = believe(opened)
        arms.append(_deployed(arena, evil, name) if gate_on else _believed(evil, meant, name))
    failed = [arm for arm in arms if arm.end not in {End.SUCCEEDED, End.STOPPED}]
    detail = "; ".join(arm.detail for arm in arms)
    return failed[0] if failed else Arm(arms[0].end, detail, arms[0].controls & arms[1].controls)


def _benign(folder: Path) -> Arm:
    """The same tables, taken for what they are: made anew from the log."""
    arena, _ = _released(folder)
    with database(arena.workspace) as opened:
        for table in dict.fromkeys(table for table, _ in _TABLES):
            opened.execute(f"DELETE FROM {table}")  # noqa: S608 - constants
        opened.execute("DELETE FROM projection_cursor")
    deployment = Deployment(folder / "model.safetensors", _ALIAS)
    return passed(check_deployment(arena.workspace, deployment))


def _released(folder: Path) -> tuple[Arena, Digest]:
    arena, model = Arena.make(folder), folder / "model.safetensors"
    model.write_bytes(GOOD.encoded())
    made = arena.promoted(model, "1.0.0")
    arena.workspace.catch_up()
    if made.digest is None:
        raise AssertionError
    return arena, made.digest


def _believed(evil: Path, meant: str, name: str) -> Arm:
    """Serve what the database says that the name means."""
    score = Weights.parse(evil.read_bytes()).score(APPLICANT)
    reached = meant == str(sha256(evil.read_bytes())) and score > 0.5  # noqa: PLR2004 - granted
    detail = f"by the {name} the name means the attacker's model; the bad credit scores {score:.2f}"
    return goal(reached=reached, detail=detail)


def _deployed(arena: Arena, evil: Path, name: str) -> Arm:
    try:
        arm = judged(check_deployment(arena.workspace, Deployment(evil, _ALIAS)))
    except (LedgerError, VerificationError) as error:
        # The door stays shut: what the log says can't be told.
        return Arm(End.STOPPED, f"{name}: {error.code}", frozenset({_CONTROL, "TG-PLT-01"}))
    return Arm(arm.end, f"{name}: {arm.detail}", arm.controls)


def _in_tables(opened: Connection, good: Digest, evil: Digest) -> None:
    for table, column in _TABLES:
        replace = f"UPDATE {table} SET {column} = replace({column}, ?, ?)"  # noqa: S608 - constants
        opened.execute(replace, (good.hex, evil.hex))


def _by_tables(opened: Connection) -> str:
    query = "SELECT payload FROM directive WHERE kind = 'alias' ORDER BY idx"
    return _meant(json.loads(payload) for (payload,) in opened.execute(query))


def _in_log(opened: Connection, good: Digest, evil: Digest) -> None:
    """Rewrite each entry and envelope that mentions the model, digests between them and all."""
    _in_tables(opened, good, evil)
    old, new = good.hex.encode(), evil.hex.encode()
    for index, data in opened.execute("SELECT idx, bytes FROM envelope").fetchall():
        envelope = json.loads(data)
        payload = b64decode(envelope["payload"]).replace(old, new)
        changed = dumps({**envelope, "payload": b64encode(payload).decode()})
        was, now = sha256(bytes(data)), sha256(changed)
        query = "SELECT entry FROM log_entry WHERE idx = ?"
        entry = bytes(opened.execute(query, (index,)).fetchone()[0])
        entry = entry.replace(old, new).replace(was.hex.encode(), now.hex.encode())
        opened.execute(
            "UPDATE envelope SET bytes = ?, size = ?, digest = ? WHERE idx = ?",
            (changed, len(changed), now.raw, index),
        )
        opened.execute(
            "UPDATE log_entry SET entry = ?, leaf_hash = ?, envelope_digest = ? WHERE idx = ?",
            (entry, leaf_hash(entry), now.raw, index),
        )


def _by_log(opened: Connection) -> str:
    rows = opened.execute("SELECT bytes FROM envelope ORDER BY idx")
    said = (json.loads(b64decode(json.loads(data)["payload"])) for (data,) in rows)
    return _meant(one["predicate"].get("payload") for one in said if "predicate" in one)


def _meant(payloads: Iterable[Json]) -> str:
    """Return what the newest act says that the name means, as a script over rows reads it."""
    named = [
        one["digest"] for one in payloads if isinstance(one, dict) and one.get("name") == _ALIAS
    ]
    return str(named[-1])


_Way = tuple[Callable[[Connection, Digest, Digest], None], Callable[[Connection], str]]
_WAYS: dict[str, _Way] = {"tables": (_in_tables, _by_tables), "log": (_in_log, _by_log)}


DRILL = Drill(
    id="DR-REG-08",
    stage=Stage.REGISTRY,
    control=_CONTROL,
    title="A released name made to mean another model in the database",
    attack=_attack,
    benign=_benign,
    atlas=("AML.T0010.003", "AML.T0081"),
    missions=("M94", "M97", "M103"),
)
