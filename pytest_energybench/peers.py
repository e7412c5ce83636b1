"""The processes (ranks) that run one pytest session together, as torchrun starts them.

How they talk is not known here: `pytest_energy_ranks` gives what they talk through.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

import pytest

T = TypeVar("T")


class Trouble(Protocol):
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
    """All ranks as one of them sees them; `training.rollcall.RollCall` is one.

    Attributes:
        rank, host, hosts, meters, company: as `metering.joint.Peers`, which this is, too.
        ending: this process was told to end.
    """

    rank: int
    host: str
    hosts: Sequence[str]
    meters: bool
    company: Sequence[int]
    ending: bool

    def gather(self, value: T, kind: Any = Any) -> list[T]:
        """Everybody's value, by rank; waits for all. `kind` is its type, where it isn't plain.

        Raises:
            ConnectionError: another one failed or was lost.
        """

    def settle(self, kind: str | None = None, text: str = "") -> Trouble | None:
        """Say how a part of a test went here, and hear how it went for all.

        Raises:
            ConnectionError: nobody can be heard any more.
        """

    def end(self, status: int) -> None:
        """On the first rank: everything is written, the others may go."""

    def ended(self) -> int:
        """On the others: wait for that, and give the first rank's exit status.

        Raises:
            ConnectionError: it is gone.
        """


def visible_to_all(ranks: Ranks) -> str | None:
    """`CUDA_VISIBLE_DEVICES` as the ranks of this host have it together; None where all see all.

    Schedulers give each rank a GPU of its own in it, and one rank meters those of its host.
    """
    from pytest_energybench.metering.visible import VARIABLE

    settings = [
        setting
        for host, setting in ranks.gather((ranks.host, os.environ.get(VARIABLE)))
        if host == ranks.host
    ]
    if None in settings:
        return None
    words = [word.strip() for setting in settings for word in (setting or "").split(",")]
    return ",".join(dict.fromkeys(word for word in words if word not in ("", "-1")))


ranks_key = pytest.StashKey[Ranks]()


def ranks_of(config: pytest.Config) -> Ranks | None:
    """The ranks of this session, None where it has one process."""
    return config.stash.get(ranks_key, None)


def follows(config: pytest.Config) -> bool:
    """Whether this process leaves reporting, printing and writing to another rank."""
    ranks = ranks_of(config)
    return ranks is not None and ranks.rank > 0
