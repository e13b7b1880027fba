"""A server is bound before it says that it serves, and says it once."""

import json
import socket

import pytest

from tidegate.cli.listening import announce, bound
from tidegate.cli.options import Showing
from tidegate.core.errors import RemoteError, UsageError


def test_what_is_bound_can_be_connected_to_at_once() -> None:
    with bound("127.0.0.1:0") as (opened, url):
        host, _, port = url.removeprefix("http://").rpartition(":")
        assert int(port) == opened.getsockname()[1] > 0
        socket.create_connection((host, int(port))).close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)))


def test_a_port_that_is_taken_is_refused_with_the_reason() -> None:
    with bound("127.0.0.1:0") as (opened, _):
        taken = f"127.0.0.1:{opened.getsockname()[1]}"
        with pytest.raises(RemoteError) as caught, bound(taken):
            pass
    assert (caught.value.code, caught.value.where) == ("TG-NET/listen", taken)
    assert caught.value.cause
    assert caught.value.next_step


@pytest.mark.parametrize("address", ["nowhere", ":80", "host:", "host:70000", "host:-1", "host:x"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(UsageError) as caught, bound(address):
        pass
    assert caught.value.code == "TG-USE/bad-address"


def test_a_program_reads_the_start_as_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    announce(Showing(json=True), "the log", {"serving": "log", "url": "http://x:1"})
    out, err = capsys.readouterr()
    assert (out.count("\n"), err) == (1, "")
    assert json.loads(out) == {"serving": "log", "url": "http://x:1"}


def test_a_person_reads_it_beside_the_output(capsys: pytest.CaptureFixture[str]) -> None:
    announce(Showing(), "the log", {"serving": "log", "url": "http://x:1"})
    assert capsys.readouterr() == ("", "serving the log on http://x:1, until interrupted\n")
