"""Leases: one holder at a time, an epoch that fences, an end that comes by itself."""

import threading

import pytest
from sqlalchemy import Engine

from tidegate.core.clock import SECOND, FixedClock, SystemClock
from tidegate.core.errors import BusyError
from tidegate.store.leases import Leases


def no_sleep(seconds: float) -> None:
    """Not wait."""


def test_a_lease_is_had_by_one_and_then_by_the_next_with_a_larger_epoch(engine: Engine) -> None:
    leases = Leases(engine, "acme", FixedClock(0))
    with leases.held("sequencer", holder="one") as first:
        assert leases.holds(first)
    assert not leases.holds(first)
    with leases.held("sequencer", holder="two") as second:
        assert second.epoch == first.epoch + 1


def test_who_waits_is_told_who_holds_it_and_then_gives_up(engine: Engine) -> None:
    leases = Leases(engine, "acme", FixedClock(0), sleep=no_sleep)
    leases.acquire("sequencer", holder="host:1")
    seen: list[tuple[str, float]] = []
    with pytest.raises(BusyError) as caught:
        leases.acquire("sequencer", holder="host:2", wait=1, on_wait=lambda *p: seen.append(p))
    assert "host:1" in caught.value.problem
    assert {holder for holder, _ in seen} == {"host:1"}
    waits = [waited for _, waited in seen]
    assert waits == sorted(waits)
    assert waits[0] == 0.0
    assert max(waits) < 1


def test_a_lease_that_ended_goes_to_the_next_and_its_holder_is_fenced_off(engine: Engine) -> None:
    clock = FixedClock(0)
    leases = Leases(engine, "acme", clock, sleep=no_sleep)
    old = leases.acquire("sequencer", holder="slept", ttl=10 * SECOND)
    clock.advance(10 * SECOND)
    assert not leases.holds(old)
    new = leases.acquire("sequencer", holder="awake", wait=0)
    assert new.epoch == old.epoch + 1
    with pytest.raises(BusyError) as caught:
        leases.renew(old)
    assert caught.value.slug == "fenced"
    leases.release(old)
    assert leases.holds(new)


def test_renewing_moves_the_end(engine: Engine) -> None:
    clock = FixedClock(0)
    leases = Leases(engine, "acme", clock)
    lease = leases.acquire("sequencer", holder="one", ttl=10 * SECOND)
    clock.advance(9 * SECOND)
    lease = leases.renew(lease, ttl=10 * SECOND)
    clock.advance(9 * SECOND)
    assert leases.holds(lease)


def test_names_and_workspaces_are_apart(engine: Engine) -> None:
    clock = FixedClock(0)
    Leases(engine, "acme", clock).acquire("a", holder="one")
    Leases(engine, "acme", clock).acquire("b", holder="two", wait=0)
    Leases(engine, "other", clock).acquire("a", holder="three", wait=0)


def test_of_many_threads_one_at_a_time_holds_it(engine: Engine) -> None:
    leases = Leases(engine, "acme", SystemClock())
    inside: list[int] = []
    epochs: list[int] = []

    def work(number: int) -> None:
        with leases.held("x", holder=f"t{number}") as lease:
            inside.append(number)
            epochs.append(lease.epoch)
            assert inside == [number]
            inside.remove(number)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(epochs) == list(range(1, 7))
