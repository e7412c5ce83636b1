"""A session's cases split over machines that know nothing of each other."""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterable

from pytest_energybench.results.errors import ShardError, one_line

_SHARD = re.compile(r"([0-9]{1,6})/([0-9]{1,6})")


def parse_shard(text: str) -> tuple[int, int]:
    """Index (from 1) and number of shards from `3/8`.

    Raises:
        ShardError: it is no such pair, or the index is out of range.
    """
    match = _SHARD.fullmatch(text.strip())
    index, count = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 1 <= index <= count:
        raise ShardError(
            one_line(f"{text!r} is no shard: INDEX/COUNT with 1 <= INDEX <= COUNT, e.g. 3/8")
        )
    return index, count


def take_shard(cases: Iterable[tuple[str, str | None]], index: int, count: int) -> list[str]:
    """The node ids that are this shard's, in the order they came.

    A group is never split, so that a case stays with its baseline; a case without a group is a
    group of its own. The largest groups are dealt first, each to the shard with the fewest cases
    so far (Graham's longest-processing-time rule, SIAM J. Appl. Math. 17, 1969). The same cases
    give the same split on every machine, in whatever order they were collected.

    Args:
        cases: node id and group of every case of the session.
        index: which shard, from 1.
        count: how many there are.
    """
    ordered = list(cases)
    groups: dict[tuple[str, str], list[str]] = {}
    for nodeid, group in ordered:
        key = ("case", nodeid) if group is None else ("group", group)
        groups.setdefault(key, []).append(nodeid)
    loads = [(0, shard) for shard in range(1, count + 1)]
    mine: set[str] = set()
    for key in sorted(groups, key=lambda key: (-len(groups[key]), key)):
        load, shard = heapq.heappop(loads)
        heapq.heappush(loads, (load + len(groups[key]), shard))
        if shard == index:
            mine.update(groups[key])
    return [nodeid for nodeid, _ in ordered if nodeid in mine]
