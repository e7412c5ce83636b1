"""What a process is to its pytest session: its role, and the ranks that torchrun starts together.

How ranks talk is not known here: `pytest_energy_ranks` gives what they talk through.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

import pytest

if TYPE_CHECKING:
    from pytest_energybench.metering.meter import Meter
    from pytest_energybench.results.model import Run
    from pytest_energybench.session.markers import Limit

Finished: TypeAlias = "Mapping[str, Collection[Limit]]"
"""Node ids of finished cases -> the limits that they were held against."""

T = TypeVar("T")


class RankFailure(Protocol):
    """Why a test can't stand: what the first failing rank said, or that one was lost.

    Attributes:
        kind: `failed`, `skipped`, `xfailed` as that rank called it, or `lost`.
    """

    @property
    def rank(self) -> int: ...
    @property
    def kind(self) -> str: ...
    @property
    def text(self) -> str: ...


class Ranks(Protocol):
    """All ranks as one of them sees them; `training.rank_coordinator.RankCoordinator` is one.

    Attributes:
        rank, host, hosts, meters, local_pids: as `metering.distributed.Peers`, which this is, too.
        ending: this process was told to end.
    """

    rank: int
    host: str
    hosts: Sequence[str]
    meters: bool
    local_pids: Sequence[int]
    ending: bool

    def gather(self, value: T, kind: Any = Any) -> list[T]:
        """The value of every rank, by rank; waits for all. `kind` is its type, if not plain.

        Raises:
            ConnectionError: another one failed or was lost.
        """

    def settle(self, kind: str | None = None, text: str = "") -> RankFailure | None:
        """Say how a part of a test went here, and hear how it went for all.

        Raises:
            ConnectionError: no other rank answers any more.
        """

    def end(self, status: int) -> None:
        """On the first rank: everything is written, the others may go."""

    def ended(self) -> int:
        """On the others: wait for that, and give the first rank's exit status.

        Raises:
            ConnectionError: it is gone.
        """


def visible_to_all(ranks: Ranks) -> str | None:
    """`CUDA_VISIBLE_DEVICES` as the ranks of this host have it together; None if all see all.

    Schedulers give each rank a GPU of its own in it, and one rank meters those of its host.
    """
    from pytest_energybench.metering.nvml import VARIABLE

    settings = [
        setting
        for host, setting in ranks.gather((ranks.host, os.environ.get(VARIABLE)))
        if host == ranks.host
    ]
    if None in settings:
        return None
    words = [word.strip() for setting in settings for word in (setting or "").split(",")]
    return ",".join(dict.fromkeys(word for word in words if word not in ("", "-1")))


class Role:
    """What this process does in the session. The answers here are those of a process that is alone;
    every other kind is a class of its own, and the plugin of that kind, too.

    Attributes:
        ranks: those that run this session in step; None where no others do.
    """

    ranks: Ranks | None = None

    def begins_session(self) -> bool:
        """Whether it checks the options and takes over what an earlier run had finished; else the
        process that started it has done so."""
        return True

    def reports(self) -> bool:
        """Whether it gathers the cases, judges the run, shows and writes it."""
        return True

    def judges(self) -> bool:
        """Whether it holds a test's figures against limits, and reads the test's own meters."""
        return True

    def runs_tests(self) -> bool:
        """Whether it runs the tests itself."""
        return True

    def meters_here(self) -> bool:
        """Whether this machine meters the tests; else other hosts do, each with its own meter."""
        return True

    def meter(self, own: Callable[..., Meter]) -> Meter:
        """The session's meter.

        Args:
            own: makes the one of this machine; see `session_meter`.

        Raises:
            MeterError: nothing of what was asked for can be read here.
        """
        return own()

    def agreed(self, head: Run) -> Run:
        """What the processes that run in step take the run's machine, meters and settings to be."""
        return head

    def summed(self, counts: Mapping[str, float]) -> Mapping[str, float]:
        """What the processes that run in step counted together.

        Raises:
            ConnectionError: another one doesn't count here, or is gone.
        """
        return counts

    def finished(self, read: Callable[[], Finished]) -> Finished:
        """What an earlier run had finished; `read` looks into its journal."""
        return read()

    def shares_journal(self) -> bool:
        """Whether other processes look into the journal for cases that their tests need."""
        return False

    def shared_journal(self) -> str | None:
        """The journal of the process that gathers the cases, where this one may look into it."""
        return None


ALONE = Role()
role_key = pytest.StashKey[Role]()


def role_of(config: pytest.Config) -> Role:
    """The role of this process, chosen when pytest was configured."""
    return config.stash.get(role_key, ALONE)


def ranks_of(config: pytest.Config) -> Ranks | None:
    """The ranks of this session, None if it has one process."""
    return role_of(config).ranks
