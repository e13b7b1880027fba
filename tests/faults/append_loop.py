"""Append a number of entries one by one, saying ``ack INDEX`` after each: a program to be watched.

::

    python -m tests.faults.append_loop sqlite:////tmp/x/store.db /tmp/x 50
"""

import os
import sys
from pathlib import Path

from tests.ledgers import Ledger, pending

from tidegate.store.engine import open_engine


def main() -> None:
    """Append, and acknowledge each with one write to standard output."""
    url, folder, count = sys.argv[1:]
    ledger = Ledger(open_engine(url), Path(folder))
    log = ledger.log()
    for number in range(int(count)):
        (receipt,) = log.append([pending(f"w{number}", ledger.workspace)])
        os.write(1, f"ack {receipt.index}\n".encode())
    # Without closing the store: its last close would copy the write-ahead log away.
    os._exit(0)


if __name__ == "__main__":
    main()
