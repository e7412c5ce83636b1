"""A session's cases split over machines that know nothing of each other, and several runs that are
parts of one whole put together."""

from __future__ import annotations

import heapq
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from pytest_energybench.results.compatibility import (
    EMISSION_SETTINGS,
    commits,
    differences,
    numbered,
    with_hosts,
)
from pytest_energybench.results.errors import MergeError, ShardError, one_line
from pytest_energybench.results.model import Case, Host, Run, Scalar, Shard, StoredRun, distinct

Join = Callable[[Sequence[Case]], Case]
"""Makes one case of several that hold other rounds of the same test."""

OF_ROUNDS = ("seed", "rounds")
"""Settings that parts may differ in where every round says its own seed."""

_SHARD = re.compile(r"([0-9]{1,6})/([0-9]{1,6})")


@dataclass(frozen=True, slots=True)
class Part:
    """One run to be merged, and what it is called in messages (its file)."""

    label: str
    run: Run


@dataclass(frozen=True, slots=True)
class Merged:
    """The whole.

    Attributes:
        run: all cases, in the order of the parts. What is missing is in its errors, too.
        missing: shards and planned cases that are in no part, a sentence each.
        differing: what differs between the parts, where that was allowed.
        joined: node ids of the cases whose rounds are of several parts; see `Join`.
    """

    run: Run
    missing: tuple[str, ...] = ()
    differing: tuple[str, ...] = ()
    joined: frozenset[str] = frozenset()


def merge(parts: Sequence[Part], *, join: Join, allow_mismatch: bool = False) -> Merged:
    """One run out of several.

    Machine, meters, settings (all of them, PUE too) and commit must agree. The merged run is the
    first part's in all but cases, errors, shard and time, which is the earliest. Where parts are of
    unlike machines, or of several hosts, each case keeps its own in `hosts`. Parts that were
    compared with one stored run are so as a whole.

    Parts that say the seed of every round may hold the same cases with other seeds: their rounds
    are put together, in the order of the seeds.

    Args:
        join: puts the rounds of a case together that is in several parts.
        allow_mismatch: differences are told instead of refused.

    Raises:
        MergeError: nothing to merge, parts that don't agree, or a case or a shard that is in two
            parts; names the parts.
    """
    if not parts:
        raise MergeError("there is nothing to merge")
    differing = tuple(_differing(parts))
    if differing and not allow_mismatch:
        raise MergeError(one_line(f"the runs are no parts of one whole: {_some(differing)}"))
    parts = sorted(parts, key=_first_seed)
    many_hosts = any(part.run.hosts or _unlike(part, parts[0]) for part in parts)
    joins = not many_hosts and all(_is_seeded(part.run) for part in parts)
    duplicates = [*_shards_twice(parts), *_cases_twice(parts, joins=joins)]
    if duplicates:
        raise MergeError(one_line(_some(duplicates)))
    missing = tuple(_missing(parts))
    errors = dict.fromkeys(error for part in parts for error in part.run.errors)
    stored = [each for part in parts if (each := part.run.compared_with) is not None]
    apart = _references_apart(parts)
    hosts: list[Host] = []
    cases = [case for part in parts for case in part.run.cases]
    if many_hosts:
        hosts, cases = numbered([part.run for part in parts])
    by_test: dict[str, list[Case]] = {}
    for case in cases:
        by_test.setdefault(case.nodeid, []).append(case)
    joined = frozenset(nodeid for nodeid, found in by_test.items() if len(found) > 1)
    cases = [join(found) if len(found) > 1 else found[0] for found in by_test.values()]
    run = replace(
        with_hosts(parts[0].run, hosts),
        settings=_settings([part.run for part in parts], cases, joined=bool(joined)),
        created=min(part.run.created for part in parts),
        commits=distinct(each for part in parts for each in part.run.commits),
        shard=None,
        compared_with=None if apart or not stored else _reference(stored, by_test),
        cases=cases,
        failures=[*dict.fromkeys(each for part in parts for each in part.run.failures), *missing],
        errors=[*errors, *missing, *differing, *apart],
    )
    return Merged(run, missing, differing, joined)


def _references_apart(parts: Sequence[Part]) -> list[str]:
    """That the parts were not compared with one stored run, as a line; none where they were."""
    names: dict[object, str] = {}
    for part in parts:
        stored = part.run.compared_with
        name = "none" if stored is None else stored.name
        which = stored and (name, stored.created, stored.commit)
        names.setdefault(which, f"{name} ({part.label})")
    if len(names) < 2:
        return []
    return [f"the runs were not compared with one stored run: {', '.join(names.values())}"]


def _reference(found: Sequence[StoredRun], cases: Collection[str]) -> StoredRun:
    """The stored run as the whole was compared with it.

    Args:
        found: as each part was.
        cases: node ids of the whole.
    """

    def in_all(first: Sequence[str], *others: Sequence[str]) -> list[str]:
        shared = set(first).intersection(*others).difference(cases)
        return [nodeid for nodeid in first if nodeid in shared]

    return replace(
        found[0],
        differences=list(dict.fromkeys(line for each in found for line in each.differences)),
        stale=in_all(*(each.stale for each in found)),
        not_run=in_all(*(each.not_run for each in found)),
    )


def _differing(parts: Sequence[Part]) -> Iterable[str]:
    first = parts[0]
    for part in parts[1:]:
        for difference in [*_unlike(part, first), *commits(part.run, first.run)]:
            yield f"{difference} ({part.label}, {first.label})"
        shard, other = part.run.shard, first.run.shard
        if shard is not None and other is not None and shard.count != other.count:
            yield (
                f"there are {shard.count} shards here and {other.count} there "
                f"({part.label}, {first.label})"
            )


def _unlike(part: Part, first: Part) -> list[str]:
    seeded = all(_is_seeded(each.run) for each in (part, first))
    ignored = {*EMISSION_SETTINGS, *(OF_ROUNDS if seeded else ())}
    return differences(part.run, first.run, ignore=ignored)


def _is_seeded(run: Run) -> bool:
    """Whether every round that there is says its seed."""
    return all(each.seed is not None for case in run.cases for each in case.rounds)


def _first_seed(part: Part) -> int:
    """The least of its rounds' seeds."""
    rounds = (each for case in part.run.cases for each in case.rounds)
    return min((each.seed for each in rounds if each.seed is not None), default=0)


def _settings(runs: Sequence[Run], cases: Sequence[Case], *, joined: bool) -> dict[str, Scalar]:
    """The first part's, with as many rounds as a case has at most where some were joined; no carbon
    intensity that is not that of all parts, e.g. of grids at different times."""
    first = runs[0].settings
    known = {
        name: value
        for name, value in first.items()
        if name not in EMISSION_SETTINGS or all(run.settings.get(name) == value for run in runs)
    }
    return known | ({"rounds": max(len(case.rounds) for case in cases)} if joined else {})


def _shards_twice(parts: Sequence[Part]) -> Iterable[str]:
    seen: dict[tuple[int, Scalar], str] = {}
    for part in parts:
        shard = part.run.shard
        if shard is not None:
            key = shard.index, part.run.settings.get("seed")
            if key in seen:
                yield f"shard {shard.index} is in {seen[key]} and in {part.label}"
            seen[key] = part.label


def _cases_twice(parts: Sequence[Part], *, joins: bool) -> Iterable[str]:
    """Cases in two parts, unless each of their rounds there has a seed of its own.

    Args:
        joins: all parts are of one machine and say the seed of every round, so that their rounds
            may be one case's.
    """
    seen: dict[str, str] = {}
    seeds: dict[tuple[str, int | None], str] = {}
    for part in parts:
        here = set()
        for case in part.run.cases:
            where = seen.get(case.nodeid)
            if where is not None and (case.nodeid in here or not joins):
                yield f"{case.nodeid} is in {where} and in {part.label}"
            here.add(case.nodeid)
            seen[case.nodeid] = part.label
            for each in case.rounds:
                other = seeds.setdefault((case.nodeid, each.seed), part.label)
                if other != part.label and each.seed is not None:
                    yield f"{case.nodeid} is with seed {each.seed} in {other} and in {part.label}"


def _missing(parts: Sequence[Part]) -> Iterable[str]:
    shards: dict[Scalar, dict[int, Shard]] = {}
    for part in parts:
        if part.run.shard is not None:
            shard_of = shards.setdefault(part.run.settings.get("seed"), {})
            shard_of[part.run.shard.index] = part.run.shard
    for seed, of_seed in shards.items():
        count = next(iter(of_seed.values())).count
        of = f" of seed {seed}" if len(shards) > 1 else ""
        for index in sorted(set(range(1, count + 1)) - of_seed.keys()):
            yield f"shard {index}/{count}{of} is missing"
    for part in parts:
        if part.run.shard is not None:
            there = {case.nodeid for case in part.run.cases}
            for nodeid in part.run.shard.planned:
                if nodeid not in there:
                    yield f"{nodeid} is missing: {part.label} was to run it"


def _some(sentences: Sequence[str], shown: int = 3) -> str:
    rest = len(sentences) - shown
    return "; ".join(sentences[:shown]) + (f"; and {rest} more" if rest > 0 else "")


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
