"""Meters that users bring along."""

from __future__ import annotations

import json
import math
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from pytest_energybench.metering.custom import CounterSource, as_source
from pytest_energybench.metering.default import measure
from pytest_energybench.metering.fake import FakeClock, FakeSource
from pytest_energybench.metering.meter import Meter
from pytest_energybench.metering.window import Window


class Socket(BaseHTTPRequestHandler):
    """A wall socket that has counted a kilowatt-hour more with every look."""

    wh = 0.0

    def do_GET(self) -> None:  # the name http.server looks for
        Socket.wh += 1000.0
        body = json.dumps({"total_wh": Socket.wh}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def wall_socket() -> Iterator[str]:
    """The address of a wall-socket meter that is read over HTTP."""
    server = HTTPServer(("127.0.0.1", 0), Socket)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_wall_socket_read_over_http(wall_socket: str) -> None:
    def wall() -> float:
        with urllib.request.urlopen(wall_socket, timeout=5) as answer:
            return float(json.load(answer)["total_wh"]) * 3600.0

    with measure("work", meters=[wall]) as window:
        pass
    assert window.energy_j == {"wall": pytest.approx(3.6e6)}
    assert window.provenance == {"wall": "measured"}


def test_a_socket_that_stops_answering_is_lost() -> None:
    answers = iter([1.0])

    def wall() -> float:
        return next(answers)

    with measure(meters=[wall]) as window:
        pass
    assert math.isnan(window.total_j)
    assert window.errors[0].startswith("wall: lost 0.")
    assert "StopIteration" in window.errors[0]


def test_a_count_that_goes_back_is_lost_for_good() -> None:
    clock = FakeClock(7.0)
    source = CounterSource(iter([5.0, 4.0, 6.0]).__next__, "wall", clock=clock)
    assert source.read().joules == {"wall": 5.0}
    assert source.read().lost["wall"].why == "went from 5 J to 4 J"
    assert source.read().lost["wall"].since == 7.0
    assert source.read().joules == {}


def test_nan_is_no_reading() -> None:
    source = CounterSource(lambda: math.nan, "wall")
    assert "wall" in source.read().lost


class Standing:
    """A meter whose function has hung."""

    def __init__(self) -> None:
        self.clock = FakeClock()

    def window(self, seconds: float, **facts: Any) -> Window:
        source = CounterSource(lambda: 5.0, "wall", **facts)
        with Meter([source], clock=self.clock).measure() as window:
            self.clock.advance(seconds)
        return window


@pytest.mark.parametrize("provenance", ["measured", "integrated"])
@pytest.mark.parametrize("seconds", [0.0, 0.001, 60.0])
def test_a_count_that_does_not_move_is_no_figure(seconds: float, provenance: str) -> None:
    window = Standing().window(seconds, provenance=provenance)
    assert window.errors == [f"wall: lost: its counter stood still for all {seconds:.3g} s"]
    assert math.isnan(window.total_j)


@pytest.mark.parametrize("facts", [{"may_be_zero": True}, {"provenance": "estimated"}])
def test_one_that_may_rightly_be_zero_is(facts: dict[str, Any]) -> None:
    window = Standing().window(60.0, **facts)
    assert (window.total_j, window.errors) == (0.0, [])


def test_one_that_tells_its_period_is_given_twenty_updates() -> None:
    short, long = (Standing().window(seconds, period_s=1.0) for seconds in (19.0, 21.0))
    assert short.flags[0].startswith("too short for this counter (wall)")
    assert short.total_j == 0.0
    assert math.isnan(long.total_j)


def test_its_domain_says_what_the_user_knows() -> None:
    source = CounterSource(
        lambda: 1.0, "wall", provenance="integrated", period_s=1.0, error=0.01, note="plug"
    )
    (domain,) = source.domains
    assert (domain.provenance, domain.period_s, domain.error) == ("integrated", 1.0, 0.01)


def test_sources_pass_through_and_functions_are_wrapped() -> None:
    source = FakeSource({"x": 1.0}, FakeClock())
    assert as_source(source) is source
    assert as_source(lambda: 1.0).domains[0].name == "<lambda>"


@pytest.mark.parametrize("given", [("wall", lambda: 1.0), (3.0,), (lambda: 1.0, 3)])
def test_what_is_no_function_or_no_name_is_told_at_once(given: tuple[Any, ...]) -> None:
    with pytest.raises(TypeError, match="a function that returns joules so far, and the name"):
        CounterSource(*given)
