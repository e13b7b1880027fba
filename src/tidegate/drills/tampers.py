"""Twenty ways to change what is deployed, or what says that it may be.

Each is done to a copy of a deployment: a model, the signature beside it, and its release file. A
deployer who believes files (it loads the model, and reads PASSED) takes every one of them.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tidegate.app.registry import signature_path
from tidegate.core.attest import envelope as dsse
from tidegate.core.attest.uris import PAYLOAD_TYPE
from tidegate.core.digest import sha256
from tidegate.core.identity.keys import PrivateKey, Scheme
from tidegate.drills.arena import MODEL
from tidegate.drills.models import APPLICANT, EVIL, Weights
from tidegate.interop.oms import sign_model

MODEL_FILE: Final = "model.safetensors"
RELEASE_FILE: Final = "release.json"


@dataclass(frozen=True, slots=True)
class Place:
    """A deployment that is tampered with, and another, genuine one to borrow from."""

    folder: Path
    other: Path

    @property
    def model(self) -> Path:
        """The model."""
        return self.folder / MODEL_FILE

    @property
    def release(self) -> Path:
        """What says that it may be served."""
        return self.folder / RELEASE_FILE

    def borrow(self, name: str) -> bytes:
        """Return a file of the other deployment."""
        return (self.other / name).read_bytes()


def believes(place: Place) -> bool:
    """Tell whether a deployer who believes files would serve this: it loads, and reads PASSED."""
    score = Weights.parse(place.model.read_bytes()).score(APPLICANT)
    said = _payload(json.loads(place.release.read_bytes()))
    return 0 <= score <= 1 and said["predicate"]["verificationResult"] == "PASSED"


def _payload(release: Mapping[str, Any]) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(
        b64decode(release["bundle"]["dsseEnvelope"]["payload"], validate=True)
    )
    return said


def _flip(place: Place) -> None:
    data = bytearray(place.model.read_bytes())
    data[-2] ^= 1
    place.model.write_bytes(data)


def _swap(place: Place) -> None:
    place.model.write_bytes(EVIL.encoded())


def _swap_for_a_link(place: Place) -> None:
    evil = place.folder / "evil.bin"
    evil.write_bytes(EVIL.encoded())
    place.model.unlink()
    place.model.symlink_to(evil)


def _append(place: Place) -> None:
    place.model.write_bytes(place.model.read_bytes() + b"\0" * 8)


def _swap_and_sign(place: Place) -> None:
    _swap(place)
    bundle = sign_model(place.model, PrivateKey.generate(Scheme.P256), name=MODEL)
    signature_path(place.model).write_bytes(bundle.to_bytes())


def _swap_with_its_old_signature(place: Place) -> None:
    place.model.write_bytes(place.borrow(MODEL_FILE))
    signature_path(place.model).write_bytes(place.borrow(signature_path(place.model).name))


def _swap_all_but_the_signature(place: Place) -> None:
    place.model.write_bytes(place.borrow(MODEL_FILE))
    place.release.write_bytes(place.borrow(RELEASE_FILE))


def _unsign(place: Place) -> None:
    signature_path(place.model).unlink()


def _empty_signature(place: Place) -> None:
    signature_path(place.model).write_bytes(b"{}")


def _others_signature(place: Place) -> None:
    signature_path(place.model).write_bytes(place.borrow(signature_path(place.model).name))


def _cut_signature(place: Place) -> None:
    path = signature_path(place.model)
    bundle = json.loads(path.read_bytes())
    signature = bundle["dsseEnvelope"]["signatures"][0]
    signature["sig"] = b64encode(b64decode(signature["sig"])[:-1]).decode()
    path.write_text(json.dumps(bundle), "utf-8")


def _edited(change: Callable[[dict[str, Any]], None]) -> Callable[[Place], None]:
    """Return a tamper that edits the release file's JSON."""

    def tamper(place: Place) -> None:
        release = json.loads(place.release.read_bytes())
        change(release)
        place.release.write_text(json.dumps(release), "utf-8")

    return tamper


def _restated(
    change: Callable[[dict[str, Any]], None], *, sign: bool = False
) -> Callable[[Place], None]:
    """Return a tamper that edits the statement, and perhaps signs it by a stranger's key."""

    def edit(release: dict[str, Any]) -> None:
        envelope, said = release["bundle"]["dsseEnvelope"], _payload(release)
        change(said)
        payload = json.dumps(said).encode()
        envelope["payload"] = b64encode(payload).decode()
        if sign:
            stranger = PrivateKey.generate(Scheme.ED25519)
            signed = dsse.sign(payload, PAYLOAD_TYPE, [stranger])
            envelope["signatures"] = signed.to_json()["signatures"]

    return _edited(edit)


def _of_evil(said: dict[str, Any]) -> None:
    said["subject"][0]["digest"]["sha256"] = sha256(EVIL.encoded()).hex


def _of_evil_with_its_model(sign: bool) -> Callable[[Place], None]:  # noqa: FBT001 - one switch
    restate = _restated(_of_evil, sign=sign)

    def tamper(place: Place) -> None:
        _swap(place)
        restate(place)

    return tamper


def _later(said: dict[str, Any]) -> None:
    said["predicate"]["timeVerified"] = "2099-01-01T00:00:00Z"


def _elsewhere(said: dict[str, Any]) -> None:
    said["predicate"]["resourceUri"] = "s3://models/payments"


def _others_release(place: Place) -> None:
    place.release.write_bytes(place.borrow(RELEASE_FILE))


def _others_proof(place: Place) -> None:
    proof = json.loads(place.borrow(RELEASE_FILE))["proof"]
    _edited(lambda release: release.update(proof=proof))(place)


def _others_statement(place: Place) -> None:
    bundle = json.loads(place.borrow(RELEASE_FILE))["bundle"]
    _edited(lambda release: release.update(bundle=bundle))(place)


def _other_index(release: dict[str, Any]) -> None:
    head, _, rest = release["proof"].partition("\nindex ")
    number, _, tail = rest.partition("\n")
    release["proof"] = f"{head}\nindex {int(number) - 1}\n{tail}"


def _cut_proof(release: dict[str, Any]) -> None:
    lines = release["proof"].split("\n")
    release["proof"] = "\n".join(lines[:2] + lines[3:])


def _cut_checkpoint(release: dict[str, Any]) -> None:
    release["proof"] = release["proof"].rpartition("\n\n")[0] + "\n\n"


def _grown_checkpoint(release: dict[str, Any]) -> None:
    text, _, note = release["proof"].partition("\n\n")
    lines = note.split("\n")
    lines[1] = str(int(lines[1]) + 1)
    release["proof"] = f"{text}\n\n" + "\n".join(lines)


def _other_actor(release: dict[str, Any]) -> None:
    entry = json.loads(release["entry"])
    entry["actor"] = "ana"
    release["entry"] = json.dumps(entry, sort_keys=True, separators=(",", ":"))


MODEL_TAMPERS: Final[Mapping[str, Callable[[Place], None]]] = {
    "a flipped bit": _flip,
    "a swapped model": _swap,
    "a link in the model's place": _swap_for_a_link,
    "appended bytes": _append,
    "a swapped model, signed by a stranger": _swap_and_sign,
    "an old version with its genuine signature": _swap_with_its_old_signature,
    "an old version with its genuine release": _swap_all_but_the_signature,
    "no signature": _unsign,
    "an empty signature": _empty_signature,
    "another model's signature": _others_signature,
    "a cut signature": _cut_signature,
}
"""What a deployment check has to see."""
RELEASE_TAMPERS: Final[Mapping[str, Callable[[Place], None]]] = {
    "a release whose digest was edited": _of_evil_with_its_model(sign=False),
    "a release that a stranger signed": _of_evil_with_its_model(sign=True),
    "a release with a later date": _restated(_later),
    "a release for another resource": _restated(_elsewhere),
    "another model's release": _others_release,
    "another entry's proof": _others_proof,
    "another entry's statement": _others_statement,
    "a proof with another index": _edited(_other_index),
    "a proof without its first hash": _edited(_cut_proof),
    "a head without a signature": _edited(_cut_checkpoint),
    "a head of another size": _edited(_grown_checkpoint),
    "an entry by another actor": _edited(_other_actor),
}
"""What a reader of release files has to see."""
