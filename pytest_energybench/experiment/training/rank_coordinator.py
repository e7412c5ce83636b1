"""What ranks of one training exchange beside tensors: values, heartbeats, failures.

torch's collectives end in a hang or a time-out where one rank has failed. So what decides how a
run goes on takes another way, torch's key-value store, in which a rank that waits can see whether
the others still live and whether one of them has failed.
"""

from __future__ import annotations

import os
import platform
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import torch.distributed as dist
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from pytest_energybench.experiment.training.errors import TrainingError

T = TypeVar("T")

BEAT_S = 1.0
"""How often each rank gives a sign of life."""

SILENCE_S = 15.0
"""A rank that gave none for so long is lost."""

ENDING_S = 4.0
"""The same for one of another host, once torchrun wants this rank to end: it does so when it has
seen another one die, and 30 s later it kills what is left."""

LOOK_S = 0.2
"""How long one look into the store waits: signals are handled between two."""


class RankError(TrainingError, ConnectionError):
    """Another rank failed or was lost, so this one can't continue."""


@dataclass(frozen=True, slots=True)
class RankFailure:
    """Why a test can't stand: the first failure among the ranks, or ranks that were lost.

    Attributes:
        rank: that failed first, or is lost.
        kind: `failed`, `skipped` or `xfailed`, as that rank called it; `lost` where it is gone.
        text: what it said, or what is known of its end.
    """

    rank: int
    kind: str
    text: str


class RankCoordinator:
    """One rank's view of all; every rank makes the same calls in the same order.

    Attributes:
        rank, world: this rank's number, and how many there are.
        host, hosts, meters, local_pids: see `metering.distributed.Peers`. The first rank of a host
            meters it, which is local rank 0 if a host has one agent.
        generation: grows with every failure; what was begun before is void.
        ending: torchrun wants this rank to end.
    """

    def __init__(self, store: Store, rank: int, world: int, *, host: str | None = None) -> None:
        """Wait for the other ranks.

        Args:
            host: what to call this host, which then is one with all that are called so. By default
                it is known by what tells one running kernel, and one container, from another,
                and called by its network name without the domain, with a number where two hosts
                have the same. Containers of one machine are hosts of their own: a counter that
                they share counts twice, which is never too little.
        """
        self._store = store
        self.rank, self.world = rank, world
        self.generation = self._gathered = self._settled = 0
        self.ending = False
        self._seen: dict[int, tuple[bytes, float]] = {}
        self._lost: set[int] = set()
        self._mates: set[int] = set()
        self._beating = threading.Event()
        threading.Thread(target=self._beat, daemon=True, name="sign of life").start()
        name = host or platform.node().partition(".")[0] or "localhost"
        identity = f"{host or _running_kernel()} {_process_space()}"
        there = self.gather((name, identity, os.getpid()))
        identities = [each for _, each, _ in there]
        labels = _labels(there)
        self.host = labels[identity]
        self.hosts = list(labels.values())
        self.meters = identities.index(identity) == rank
        self._pids = [pid for _, _, pid in there]
        self._mates = {
            number
            for number, other in enumerate(identities)
            if other == identity and number != rank
        }
        self.local_pids = [self._pids[mate] for mate in sorted(self._mates)]

    @classmethod
    def of_torchrun(cls, host: str | None = None) -> RankCoordinator:
        """The coordinator of the ranks that torchrun started."""
        store, rank, world = next(rendezvous("env://"))
        return cls(store, rank, world, host=host)

    @property
    def store(self) -> Store:
        """A part of the store for the process group of this generation."""
        return PrefixStore(f"group-{self.generation}", self._store)

    def gather(self, value: T, kind: Any = Any) -> list[T]:
        """The value of every rank, by rank; waits while the others live and none has failed.

        Args:
            kind: the value's type, where it is more than words, numbers and lists of them. It is
                checked: what comes over the network is data, never code.

        Raises:
            RankError: another rank was lost, failed, or does something else.
        """
        place = f"{self.generation}/gathered-{self._gathered}"
        self._gathered += 1
        self._say(f"{place}/{self.rank}", value)
        found: list[T] = []
        for rank in range(self.world):
            while not self._has(f"{place}/{rank}"):
                if self._failures():
                    raise RankError("another rank failed")
                if self._is_elsewhere(rank):
                    raise RankError(f"rank {rank} was through with this before rank {self.rank}")
                if self.ending or self._is_lost(rank):
                    raise RankError(f"rank {rank} was lost")
            try:
                found.append(msgspec.msgpack.decode(self._store.get(f"{place}/{rank}"), type=kind))
            except msgspec.ValidationError:
                raise RankError(
                    f"rank {rank} does something else here than rank {self.rank}: what waits for"
                    " all ranks has to be called on all, in one order"
                ) from None
        if self._gathered > 1:  # all have begun this one, so all have read the one before
            before = f"{self.generation}/gathered-{self._gathered - 2}/{self.rank}"
            self._store.delete_key(before)
        return found

    def settle(self, kind: str | None = None, text: str = "") -> RankFailure | None:
        """Exchange how a part of a test went; None if it went well on all ranks.

        After a failure everything that was under way between ranks is void.

        Args:
            kind, text: of this rank's failure, see `RankFailure`; None if it had none.
        """
        number = 0 if kind is None else self._store.add(f"{self.generation}/failures", 1)
        place = f"{self.generation}/settled-{self._settled}"
        self._settled += 1
        self._say(f"{place}/{self.rank}", (number, kind, text))
        words: dict[int, tuple[int, str | None, str]] = {}
        for rank in range(self.world):
            while not self._has(f"{place}/{rank}"):
                if self._is_lost(rank):
                    break
            else:
                words[rank] = msgspec.msgpack.decode(self._store.get(f"{place}/{rank}"))
        failure = self._first(words)
        if failure is not None:
            self.generation += 1
            self._gathered = self._settled = 0
        return failure

    def end(self, status: int) -> None:
        """The first rank has finished; the others may end with its exit status."""
        self._store.set("status", str(status))
        for rank in range(1, self.world):
            deadline = time.monotonic() + 5.0
            while time.monotonic() < deadline and not self._has(f"left/{rank}"):
                if self._is_lost(rank):
                    break
        self._beating.set()

    def ended(self) -> int:
        """The exit status of the first rank, waited for.

        Raises:
            RankError: it was lost.
        """
        self._store.set(f"out/{self.rank}", "")
        while not self._has("status"):
            if self._is_lost(0):
                raise RankError("rank 0 was lost")
        self._store.set(f"left/{self.rank}", "")
        return int(self._store.get("status"))

    def _first(self, words: Mapping[int, tuple[int, str | None, str]]) -> RankFailure | None:
        if self._lost:
            lost = sorted(self._lost)
            names = ", ".join(f"{rank} (process {self._pids[rank]})" for rank in lost)
            return RankFailure(
                lost[0], "lost", f"rank {names} was lost: killed or crashed, no sign of life"
            )
        failed = [(number, rank) for rank, (number, _, _) in words.items() if number]
        if not failed:
            return None
        _, rank = min(failed)
        _, kind, text = words[rank]
        return RankFailure(rank, kind or "failed", text)

    def _say(self, key: str, value: Any) -> None:
        packed = msgspec.msgpack.encode(value, enc_hook=str)  # lines that know their parts
        self._store.set(key, packed)  # type: ignore[arg-type]  # bytes are taken, too

    def _failures(self) -> int:
        return int(self._store.add(f"{self.generation}/failures", 0))

    def _has(self, key: str) -> bool:
        """Whether the key is there, or arrives during a short wait."""
        deadline = time.monotonic() + LOOK_S
        pause = 0.0005
        try:
            # The store's own `wait` would print a warning each time that it ends without the key.
            while not self._store.check([key]):
                if time.monotonic() > deadline:
                    return False
                time.sleep(pause)
                pause = min(2 * pause, 0.02)
        except dist.DistError as error:
            raise RankError(f"the store of the ranks is gone: {error}") from error
        return True

    def _is_elsewhere(self, rank: int) -> bool:
        """Whether a rank has left this part of the test, or its session."""
        session = f"out/{rank}" if rank else "status"
        part = f"{self.generation}/settled-{self._settled}/{rank}"
        return self._store.check([part]) or self._store.check([session])

    def _is_lost(self, rank: int) -> bool:
        """Whether a rank's process is gone, or gave no sign of life for too long."""
        if rank == self.rank or rank in self._lost:
            return rank in self._lost
        mate = rank in self._mates
        if mate and _is_gone(self._pids[rank]):
            self._lost.add(rank)
            return True
        key = f"beat/{rank}"
        try:
            beat = self._store.get(key) if self._store.check([key]) else b""
        except dist.DistError as error:
            raise RankError(f"the store of the ranks is gone: {error}") from error
        now = time.monotonic()
        before, since = self._seen.get(rank, (None, now))
        if beat != before:
            since = now
        self._seen[rank] = (beat, since)
        if now - since > (ENDING_S if self.ending and not mate else SILENCE_S):
            self._lost.add(rank)
        return rank in self._lost

    def _beat(self) -> None:
        number = 0
        while not self._beating.wait(BEAT_S if number else 0.0):
            number += 1
            try:
                self._store.set(f"beat/{self.rank}", str(number))
            except dist.DistError:  # the store is gone, and with it whoever might ask
                return


def _labels(there: Iterable[tuple[str, str, int]]) -> dict[str, str]:
    """Identity of a host -> what it is called, each name once."""
    labels: dict[str, str] = {}
    for name, identity, _ in there:
        label, number = name, 1
        while identity not in labels and label in labels.values():
            number += 1
            label = f"{name}-{number}"
        labels.setdefault(identity, label)
    return labels


def _running_kernel() -> str:
    """What no two machines have in common, nor one machine before and after a start.

    proc(5), `/proc/sys/kernel/random/boot_id`; if there is none, the network name.
    """
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return platform.node()


def _process_space() -> int:
    """Which id space this process's id belongs to: containers of one host have their own."""
    try:
        return os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        return 0


def _is_gone(pid: int) -> bool:
    """Whether there is no such process of this id space."""
    import psutil

    return not psutil.pid_exists(pid)  # on Windows `os.kill` with 0 is no question
