"""Several runs that are parts of one whole, put together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from pytest_energybench.results.compatibility import commits, differences, numbered, with_hosts
from pytest_energybench.results.errors import MergeError, one_line
from pytest_energybench.results.model import Host, Run


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
    """

    run: Run
    missing: tuple[str, ...] = ()
    differing: tuple[str, ...] = ()


def merge(parts: Sequence[Part], *, allow_mismatch: bool = False) -> Merged:
    """One run out of several.

    Machine, meters, settings (all of them, PUE too) and commit must agree. The merged run is the
    first part's in all but cases, errors, shard and time, which is the earliest. Where parts are of
    unlike machines, or of several hosts, each case keeps its own in `hosts`.

    Args:
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
    duplicates = [*_shards_twice(parts), *_cases_twice(parts)]
    if duplicates:
        raise MergeError(one_line(_some(duplicates)))
    missing = tuple(_missing(parts))
    errors = dict.fromkeys(error for part in parts for error in part.run.errors)
    hosts: list[Host] = []
    cases = [case for part in parts for case in part.run.cases]
    if any(part.run.hosts or _unlike(part, parts[0]) for part in parts):
        hosts, cases = numbered([part.run for part in parts])
    run = msgspec.structs.replace(
        with_hosts(parts[0].run, hosts),
        created=min(part.run.created for part in parts),
        commits=list(dict.fromkeys(each for part in parts for each in part.run.commits)),
        shard=None,
        cases=cases,
        failures=[*dict.fromkeys(each for part in parts for each in part.run.failures), *missing],
        errors=[*errors, *missing, *differing],
    )
    return Merged(run, missing, differing)


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
    return differences(part.run, first.run, ignore=())


def _shards_twice(parts: Sequence[Part]) -> Iterable[str]:
    seen: dict[int, str] = {}
    for part in parts:
        shard = part.run.shard
        if shard is not None:
            if shard.index in seen:
                yield f"shard {shard.index} is in {seen[shard.index]} and in {part.label}"
            seen[shard.index] = part.label


def _cases_twice(parts: Sequence[Part]) -> Iterable[str]:
    seen: dict[str, str] = {}
    for part in parts:
        for case in part.run.cases:
            if case.nodeid in seen:
                yield f"{case.nodeid} is in {seen[case.nodeid]} and in {part.label}"
            seen[case.nodeid] = part.label


def _missing(parts: Sequence[Part]) -> Iterable[str]:
    shards = [part.run.shard for part in parts if part.run.shard is not None]
    if shards:
        count = shards[0].count
        for index in sorted(set(range(1, count + 1)) - {shard.index for shard in shards}):
            yield f"shard {index}/{count} is missing"
    for part in parts:
        if part.run.shard is not None:
            there = {case.nodeid for case in part.run.cases}
            for nodeid in part.run.shard.planned:
                if nodeid not in there:
                    yield f"{nodeid} is missing: {part.label} was to run it"


def _some(sentences: Sequence[str], shown: int = 3) -> str:
    rest = len(sentences) - shown
    return "; ".join(sentences[:shown]) + (f"; and {rest} more" if rest > 0 else "")
