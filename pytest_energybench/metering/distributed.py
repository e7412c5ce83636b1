"""One window over several processes: they begin and end together, and their hosts' joules add up.

One process of each host meters, whatever the number of those that work there. How processes hear
from each other is not known here; whoever starts them hands it in as `Peers`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, NamedTuple, Protocol, TypeVar

from pytest_energybench.metering.meter import Meter
from pytest_energybench.metering.nvidia import finish_gpu_work
from pytest_energybench.metering.source import Domain, Provenance, Samples
from pytest_energybench.metering.window import Window, sum_joules

T = TypeVar("T")


class Peers(Protocol):
    """The processes that work on one thing together, as one of them sees them.

    Attributes:
        rank: number of this process, from 0.
        host: name of its host; `hosts` are those of all, each once, in the order of their ranks.
        meters: it is the one that meters its host.
        local_pids: process ids of the others on its host.
    """

    rank: int
    host: str
    hosts: Sequence[str]
    meters: bool
    local_pids: Sequence[int]

    def gather(self, value: T, kind: Any = Any) -> list[T]:
        """Everybody's value, by rank. All must call it, and all wait until all have.

        Args:
            kind: the value's type, where it is more than words, numbers and lists of them.
        """


class Part(NamedTuple):
    """What one host's meter has seen of a window; domain names are the host's own."""

    energy_j: Mapping[str, float]
    bounds_j: Mapping[str, float]
    samples: Samples
    flags: Sequence[str]
    errors: Sequence[str]
    left_out: Sequence[str]


class DistributedMeter(Meter):
    """The meter of one process among several: its own, and what it knows of the other hosts'.

    All processes make one at the same time, whether they meter or not, and know the domains of all.
    On several hosts a domain is named `host/domain`. Every process gets the same sum.

    Attributes:
        peers: the processes.
        own_provenance: domain -> provenance of what this process itself meters.
        unmetered: hosts on which nothing can be metered: with one of them no sum is known.
    """

    def __init__(self, own: Meter, peers: Peers) -> None:
        """
        Args:
            own: what this process meters: its host, or nothing.
        """
        super().__init__(
            own.sources,
            clock=own._clock,
            exclusion=own._exclusion,
            load=own._load,
            watch=own.watch,
            allow_missing=own.allow_missing,
        )
        self.peers = peers
        self.own_provenance = self.provenance
        offers = peers.gather(
            (peers.host, self.domains, own.problems, own.left_out())
            if peers.meters
            else (peers.host, (), (), ()),
            tuple[str, tuple[Domain, ...], tuple[str, ...], tuple[str, ...]],
        )
        self.domains = tuple(
            domain._replace(name=self.name(host, domain.name))
            for host, domains, _, _ in offers
            for domain in domains
        )
        self.provenance: Mapping[str, Provenance] = {d.name: d.provenance for d in self.domains}
        self.problems = tuple(
            self.name(host, problem) for host, _, problems, _ in offers for problem in problems
        )
        self._left_out = [self.name(host, name) for host, _, _, left in offers for name in left]
        metered = {host for host, domains, _, _ in offers if domains}
        self.unmetered = tuple(host for host in peers.hosts if host not in metered)

    def left_out(self) -> list[str]:
        """As `Meter`'s, of all hosts when they came together."""
        return self._left_out

    def name(self, host: str, what: str) -> str:
        """A domain, or a line about one, with its host if there are several."""
        return what if len(self.peers.hosts) == 1 else f"{host}/{what}"

    def measure(self, name: str = "") -> Window:
        """A window that all processes open and close together."""
        return DistributedWindow(self, name)

    def agree(self, value: T) -> T:
        """The first process's value, for all."""
        return self.peers.gather(value)[0]

    @contextmanager
    def heavy_work(self) -> Iterator[None]:
        """As `Meter`'s, begun by all processes together: each calls it, whether it meters or not,
        and none begins to work while one still waits for its machine."""
        with super().heavy_work():
            self.peers.gather(None)
            yield

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold what windows need, so that opening one doesn't wait for other processes."""
        if self._exclusion is None:
            yield
            return
        self._exclusion.enter()
        try:
            yield
        finally:
            self._exclusion.leave()


class DistributedWindow(Window):
    """A window of a `DistributedMeter`; see `Window`.

    When its body raises, the other processes can't be waited for: on several hosts its total is
    then unknown.
    """

    __slots__ = ("_distributed",)

    def __init__(self, meter: DistributedMeter, name: str = "") -> None:
        super().__init__(meter, name)
        self._distributed = meter
        self.provenance = meter.own_provenance

    def __enter__(self) -> DistributedWindow:
        # First the machine, then the others: nobody begins to work while one still waits for it.
        with self._distributed.held():
            self._distributed.peers.gather(None)
            super().__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            finish_gpu_work()
            self._distributed.peers.gather(None)
        super().__exit__(kind, error, traceback)
        mine = Part(
            self.energy_j, self.bounds_j, self.samples, self.flags, self.errors, self.left_out
        )
        if error is None:
            parts = self._distributed.peers.gather(
                (self._distributed.peers.host, mine), tuple[str, Part]
            )
            self._add(parts)
        else:
            self._add([(self._distributed.peers.host, mine)])
            if len(self._distributed.peers.hosts) > 1:
                self._void("the other hosts' joules are unknown: the work was broken off")

    def abandon(self, why: str) -> None:
        """As `Window`'s, without the other ranks, whose joules are not known here."""
        if self._is_open:
            self.__exit__(RuntimeError, RuntimeError(why), None)
        super().abandon(why)

    def joules_so_far(self) -> float:
        """As `Window`'s; `math.nan` on several hosts, as long as it is open."""
        if self._is_open and len(self._distributed.peers.hosts) > 1:
            return math.nan
        return super().joules_so_far()

    def _add(self, parts: Sequence[tuple[str, Part]]) -> None:
        """Take the figures of all hosts for this window's."""

        def named(what: str) -> dict[str, object]:
            return {
                self._distributed.name(host, domain): value
                for host, part in parts
                for domain, value in getattr(part, what).items()
            }

        def told(what: str) -> list[str]:
            return [
                self._distributed.name(host, line)
                for host, part in parts
                for line in getattr(part, what)
            ]

        self.energy_j, self.bounds_j = named("energy_j"), named("bounds_j")  # type: ignore[assignment]
        self.samples = named("samples")  # type: ignore[assignment]
        self.flags, self.errors = told("flags"), told("errors")
        self.left_out = told("left_out")
        self.provenance = {
            name: word
            for name, word in self._distributed.provenance.items()
            if name not in self.left_out
        }
        self.total_j = math.nan if self.errors else sum_joules(self.energy_j)
        for host in self._distributed.unmetered:
            self._void(f"{host}: nothing can be metered there")

    def _void(self, why: str) -> None:
        self.errors.append(why)
        self.total_j = math.nan
