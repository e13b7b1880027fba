"""Eight commands and a server at once on one store: nothing is lost, nothing comes twice."""

import json
import socket
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from urllib.request import urlopen

import pytest
from sqlalchemy import create_engine
from tests.e2e.running import Cli, Running
from tests.services import KINDS, empty_database

from tidegate.app.genesis import Founder, everything, found
from tidegate.core.identity.roles import Role

PROCESSES = 8
ROUNDS = 4
_VARIABLE = "TIDEGATE_STORE__URL"
_PEOPLE = ("me", "ana", "bo")


@pytest.fixture(params=KINDS)
def shared_store(request: pytest.FixtureRequest, cli: Cli) -> Iterator[Cli]:
    """The command line with a workspace ``ws`` of three people, on either database."""
    with empty_database(request.param, cli.folder) as url:
        given = cli.given(**{_VARIABLE: url})
        people = (everything("me"), *(Founder(name, frozenset(Role)) for name in _PEOPLE[1:]))
        found(cli.folder / "ws", people, environ={_VARIABLE: url}).engine.dispose()
        yield given


def _digest(number: int) -> str:
    return f"sha256:{number:064x}"


def _acts(round_: int) -> list[tuple[str, ...]]:
    """Return one act for each process; two of a round are about one artifact."""
    made = []
    for place in range(PROCESSES):
        about = _digest(1_000 * (round_ + 1) + place - place % 2)
        by = ("--reason", f"act {round_}.{place}", "--as", _PEOPLE[place % 3], "-C", "ws")
        verb = ("quarantine", "add", about) if place % 2 else (
            "approve", about, "--for", "ingest/admit")  # fmt: skip
        made.append((*verb, *by))
    return made


@contextmanager
def _server(cli: Cli) -> Iterator[str]:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    running = cli.start("log", "serve", "--listen", f"127.0.0.1:{port}", "-C", "ws")
    try:
        _wait(f"http://127.0.0.1:{port}/checkpoint")
        yield f"http://127.0.0.1:{port}"
    finally:
        ran = running.interrupt()
    assert (ran.code, "Traceback" in ran.err) == (130, False), ran


def _wait(url: str) -> None:
    end = time.monotonic() + 30
    while True:
        try:
            with urlopen(url, timeout=5):  # noqa: S310 - our own server
                return
        except OSError:
            assert time.monotonic() < end, "the server did not start"
            time.sleep(0.05)


def _size(url: str) -> int:
    """The size of the newest head that the server tells."""
    with urlopen(f"{url}/checkpoint", timeout=30) as answer:  # noqa: S310 - our own server
        return int(answer.read().splitlines()[1])


@pytest.mark.slow
def test_what_eight_processes_append_is_there_once_each(shared_store: Cli) -> None:
    cli, wanted = shared_store, [act for number in range(ROUNDS) for act in _acts(number)]
    sizes: list[int] = []
    done = threading.Event()
    with _server(cli) as url:
        before = _size(url)

        def watch() -> None:
            while not done.is_set():
                sizes.append(_size(url))

        reader = threading.Thread(target=watch)
        reader.start()
        try:
            for number in range(ROUNDS):
                running: list[Running] = [cli.start(*act) for act in _acts(number)]
                for ran in [one.wait() for one in running]:
                    assert ran.code == 0, ran
        finally:
            done.set()
            reader.join()
        after = _size(url)
    assert sizes == sorted(sizes), "a head went back"
    assert after - before == len(wanted)
    entries = cli(
        "log", "show", "--from", before, "--limit", 999, "--format", "json", "-C", "ws"
    ).json["entries"]
    told = Counter((one["actor"], one["says"].partition(": ")[2]) for one in entries)
    assert told == Counter(
        (act[act.index("--as") + 1], act[act.index("--reason") + 1]) for act in wanted
    )
    assert {one["state"] for one in entries} == {"verified"}
    checked = cli("log", "check", "--format", "json", "-C", "ws")
    assert (checked.code, checked.json["ok"], checked.json["entries"]) == (0, True, after)
    assert cli("db", "rebuild", "--format", "json", "-C", "ws").json["equal"]


@contextmanager
def _held(url: str) -> Iterator[None]:
    """Hold the store's write lock, as another process in the middle of a long write does."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.partition("///")[2], isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield
        return
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("LOCK TABLE log_head IN ACCESS EXCLUSIVE MODE")
        yield
    engine.dispose()


def test_a_store_that_stays_busy_is_exit_6_and_costs_nothing(shared_store: Cli) -> None:
    cli = shared_store.given(TIDEGATE_STORE__BUSY_TIMEOUT="300ms")
    head = cli("log", "head", "-C", "ws").out
    with _held(cli.env[_VARIABLE]):
        ran = cli(*_acts(0)[0])
        assert (ran.code, ran.part("error").partition(":")[0]) == (6, "TG-STO/busy"), ran
        assert ran.part("next"), ran
        assert len(ran.err.splitlines()) <= 12
    assert cli("log", "head", "-C", "ws").out == head
    assert cli(*_acts(0)[0]).code == 0


def test_an_act_interrupted_anywhere_is_there_whole_or_not_at_all(cli: Cli) -> None:
    found(cli.folder / "ws", (everything("me"),), environ={}).engine.dispose()
    told = 0
    for pause in (0.0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08):
        act = ("quarantine", "add", _digest(int(1_000 * pause)), "--reason", "x", "-C", "ws")
        running = cli.start(*act)
        time.sleep(pause)
        ran = running.interrupt()
        begun = cli.warm is not None  # an interpreter that only starts up ends by the signal itself
        assert ran.code in ((0, 130) if begun else (0, 130, 1, -2)), ran
        told += ran.out.count("quarantine  log")
    checked = json.loads(cli("log", "check", "--format", "json", "-C", "ws").out)
    assert checked["ok"]
    assert told <= checked["entries"] - 2, "an act that was acknowledged is missing"
