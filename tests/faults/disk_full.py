"""Fill the disk under a store, and report what the store said and what it kept, as JSON.

::

    unshare -m sh -c 'mount -t tmpfs -o size=4m none DIR; python -m tests.faults.disk_full DIR'
"""

import json
import sys
from io import BytesIO
from pathlib import Path

from tests.ledgers import Ledger, pending

from tidegate.core.errors import StoreError
from tidegate.logbook.fsck import fsck
from tidegate.store.engine import open_engine
from tidegate.store.migrate import upgrade


def main() -> None:
    """Append until the disk is full, make room, and go on."""
    folder = Path(sys.argv[1])
    ballast = folder / "ballast"
    ballast.write_bytes(b"b" * 600_000)
    url = f"sqlite:///{folder / 'store.db'}"
    upgrade(url)
    ledger = Ledger(open_engine(url), folder)
    log = ledger.log()
    acknowledged, said = 0, None
    while said is None:
        try:
            labels = [f"e{acknowledged + n}" for n in range(7)]
            log.append([pending(label, "acme", size=30_000) for label in labels])
            acknowledged += len(labels)
        except StoreError as error:
            said = error
    blob_said = None
    try:
        ledger.blobs.put(BytesIO(b"x" * 4_000_000))
    except StoreError as error:
        blob_said = error.slug
    leftovers = [path.name for path in folder.rglob("*part*")]
    ledger.engine.dispose()
    ballast.unlink()
    again = Ledger(open_engine(url), folder)
    reopened = again.log()
    size = reopened.head.size
    sound = fsck(again.storage, reopened.keys).ok
    (receipt,) = reopened.append([pending("after", "acme")])
    report = {
        "slug": said.slug,
        "exit_code": said.exit_code,
        "next_step": said.next_step,
        "text": str(said),
        "blob_slug": blob_said,
        "blobs": [str(digest) for digest in again.blobs.list()],
        "leftovers": leftovers,
        "acknowledged": acknowledged,
        "size": size,
        "sound": sound,
        "next_index": receipt.index,
    }
    sys.stdout.write(json.dumps(report) + "\n")


if __name__ == "__main__":
    main()
