"""Which GPUs one rank meters for all of its host, whatever each of them was given."""

from __future__ import annotations

from typing import Any, cast

import pytest

from pytest_energybench.session.role import Ranks, visible_to_all


class Told:
    """A rank of host `a` that hears what all have in `CUDA_VISIBLE_DEVICES`."""

    host = "a"

    def __init__(self, *settings: tuple[str, str | None]) -> None:
        self._settings = settings

    def gather(self, value: Any) -> list[Any]:
        assert value[0] == self.host
        return list(self._settings)


@pytest.mark.parametrize(
    ("settings", "all_of_them"),
    [
        ([("a", "0"), ("a", "1"), ("b", "2")], "0,1"),
        ([("a", "GPU-1, GPU-2"), ("a", "GPU-2")], "GPU-1,GPU-2"),
        ([("a", None), ("a", None)], None),
        ([("a", ""), ("a", "-1")], ""),
        ([("a", "3"), ("a", "")], "3"),
    ],
)
def test_every_gpu_of_the_host_that_any_rank_sees(
    settings: list[tuple[str, str | None]], all_of_them: str | None
) -> None:
    assert visible_to_all(cast(Ranks, Told(*settings))) == all_of_them
