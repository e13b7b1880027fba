"""The log over HTTP, on the loopback: clients verify, caches may keep tiles, damage is seen."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from tidegate.api.ledger import ledger_app
from tidegate.client import HttpLog
from tidegate.core.clock import FixedClock
from tidegate.core.errors import RemoteError
from tidegate.core.ledger.checkpoint import open_checkpoint
from tidegate.core.ledger.note import NoteSigner
from tidegate.core.ledger.reader import FetchedTiles, TileReader
from tidegate.logbook.witness import FileWitnessState, Witness, request_cosignature

Bench = Any
Serve = Callable[[Any], AbstractContextManager[str]]


@pytest.fixture
def serve() -> Serve:
    @contextmanager
    def run(app: Any) -> Iterator[str]:
        config = uvicorn.Config(app, port=0, log_config=None, lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run)
        thread.start()
        while not server.started:
            thread.join(0.005)
        port = server.servers[0].sockets[0].getsockname()[1]
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            thread.join(5)

    return run


def test_a_client_reads_and_verifies_the_log(bench: Bench, serve: Serve) -> None:
    log = bench.log()
    bench.fill(log, 600)
    with serve(ledger_app(log)) as address, HttpLog(address) as remote:
        head = open_checkpoint(remote.checkpoint(), log.keys).checkpoint
        reader = TileReader(FetchedTiles(remote.fetch), head.size, head.root)
        assert list(reader.entries()) == list(log.entries())
        assert reader.inclusion(300) == log.prove_inclusion(300)


def test_tiles_may_be_kept_for_ever_and_the_checkpoint_not(bench: Bench, serve: Serve) -> None:
    log = bench.log()
    bench.fill(log, 300)
    with serve(ledger_app(log)) as address, httpx.Client(base_url=address) as client:
        tile, head = client.get("/tile/0/000"), client.get("/checkpoint")
        assert "immutable" in tile.headers["cache-control"]
        assert tile.headers["content-type"] == "application/octet-stream"
        assert len(tile.content) == 8192
        assert head.headers["cache-control"] == "no-cache"
        assert head.headers["content-type"] == "text/plain; charset=utf-8"
        # An older head's partial tile is a prefix of today's.
        assert client.get("/tile/0/001.p/7").content == log.reader().tile(0, 1, 7)
        for path in (
            "/tile/0/001",
            "/tile/0/001.p/45",
            "/tile/0/002.p/1",
            "/tile/9/000",
            "/tile/entries/001.p/45",
            "/tile/0/1",
            "/tile/0/..%2f..%2fsecret",
            "/add-checkpoint",
        ):
            assert client.get(path).status_code == 404, path


def test_a_witness_answers_over_http(
    bench: Bench, serve: Serve, tmp_path: Path, witness_signer: NoteSigner
) -> None:
    log = bench.log()
    logs = {log.origin: list(log.keys)}
    clock = FixedClock(1_800_000_000_000_000)
    witness = Witness(FileWitnessState(tmp_path), witness_signer, clock, logs)
    keys = [witness_signer.key]
    with serve(ledger_app(log, witness=witness)) as address, HttpLog(address) as remote:
        for _ in range(2):
            bench.fill(log, 10)
            note, prove = log.checkpoint(), log.prove_consistency
            lines = request_cosignature(remote.add_checkpoint, note, prove, keys)
            log.cosign(lines, keys)
        opened = open_checkpoint(remote.checkpoint(), log.keys, witnesses=keys, threshold=1)
        assert opened.checkpoint.size == 20
        conflict = httpx.post(f"{address}/add-checkpoint", content=b"old 5\n\n" + log.checkpoint())
        assert (conflict.status_code, conflict.text) == (409, "20\n")
        assert conflict.headers["content-type"].startswith("text/x.tlog.size")
        large = httpx.post(f"{address}/add-checkpoint", content=b"x" * 300_000)
        assert large.status_code == 413


def test_a_damaged_store_is_an_error_and_no_missing_tile(bench: Bench, serve: Serve) -> None:
    log = bench.log()
    bench.fill(log, 300)
    bench.storage._tiles[0, 0] = bytes(8192)
    with serve(ledger_app(log)) as address, HttpLog(address) as remote:
        assert httpx.get(f"{address}/tile/0/000").status_code == 500
        with pytest.raises(RemoteError):
            remote.fetch("tile/0/000")


def test_a_client_is_bounded_and_says_where(bench: Bench, serve: Serve) -> None:
    log = bench.log()
    bench.fill(log, 300)
    with serve(ledger_app(log)) as address:
        with HttpLog(address, max_bytes=100) as remote:
            with pytest.raises(RemoteError, match="larger than 100"):
                remote.fetch("tile/0/000")
            assert remote.fetch("tile/0/999") is None
        with HttpLog(f"{address}/nowhere") as remote, pytest.raises(RemoteError) as caught:
            remote.checkpoint()
        assert caught.value.where == f"{address}/nowhere/checkpoint"
    with HttpLog(address, timeout=0.5) as remote, pytest.raises(RemoteError) as caught:
        remote.fetch("checkpoint")
    assert caught.value.exit_code == 6
