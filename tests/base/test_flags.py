"""Every flag that a meter raises has a meaning, and keeps it through the run file."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest

import pytest_energybench.metering
from pytest_energybench.base import flags
from pytest_energybench.measurement.aggregate import MORE_WORDS, MOST_WORDS, noted

METERING = Path(pytest_energybench.metering.__file__).parent
RAISING = (METERING, METERING.parent / "measurement")
NAMES = {
    value: name
    for name, value in vars(flags).items()
    if name.isupper() and value in list(flags.MEANINGS)
}
OF_ONES_OWN = {"THROTTLED"}


def raised() -> Counter[str]:
    """Names of beginnings that these rooms' modules use, beside their imports."""
    return Counter(
        node.id
        for room in RAISING
        for path in room.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Name) and node.id in NAMES.values()
    )


def test_each_beginning_is_defined_once_and_raised_somewhere() -> None:
    assert set(raised()) | OF_ONES_OWN == set(NAMES.values())
    sources = "\n".join(path.read_text() for path in METERING.parent.rglob("*.py"))
    for text in flags.MEANINGS:
        if text != flags.WITHOUT:
            assert sources.count(f'= "{text}"') == 1
            assert f'"{text}:' not in sources


WRITTEN = {
    "background load: other processes used 5 CPU-s (0.5 of 2 cores; own: 10 CPU-s)": flags.BUSY,
    "cpu and memory shared: another process worked beside this window": flags.BUSY,
    "not exclusive: other processes may have metered at the same time": flags.BUSY,
    "the machine was suspended for 5 s: what it drew meanwhile is in no figure": flags.BUSY,
    "traced by coverage, which the test started: that takes joules, too": flags.BUSY,
    "too short for this counter (cpu:0, dram:0): 0.005 s of at least 0.02 s": flags.SHORT,
    "too short for this estimate (cpu): 0.005 s of at least 0.05 s": flags.SHORT,
    "inside a window of the process that started this one": None,
    "overlaps window 'x' of this process": None,
    "without cpu:1, which may be missing: lost before the window opened: gone": None,
    "gpu:0: counter and sampled power disagree: 5 J against 7 J": None,
    "gpu:0: power was not looked at for 12 s (a stopped process?)": None,
}
"""Flags as they stand in run files; they are read for good."""


@pytest.mark.parametrize("flag", WRITTEN)
@pytest.mark.parametrize("host", ["", "node-7/"])
def test_a_flag_of_an_older_run_file_is_understood(host: str, flag: str) -> None:
    assert flags.beginning(host + flag) is not None
    assert flags.spoils(host + flag) == WRITTEN[flag]


def test_of_many_flags_those_that_keep_gates_from_deciding_are_kept() -> None:
    notes = [f"overlaps window 'w{number}' of this process" for number in range(100)]
    spoiling = [flag for flag, why in WRITTEN.items() if why is not None]
    kept = noted([*notes, *spoiling])
    assert {flags.spoils(flag) for flag in kept} == {None, flags.BUSY, flags.SHORT}
    assert len(kept) == MOST_WORDS + 1
    assert kept[-1] == MORE_WORDS
    assert set(map(flags.spoils, noted([*kept, *notes]))) == set(map(flags.spoils, kept))


@pytest.mark.parametrize("host", ["", "node-7/"])
def test_of_many_flags_one_of_each_domain_that_is_left_out_is_kept(host: str) -> None:
    notes = [f"overlaps window 'w{number}' of this process" for number in range(100)]
    without = [f"{host}without {name}, which may be missing: gone" for name in ("gpu:0", "cpu:1")]
    kept = noted([*notes, *without])
    assert flags.partly_without([f"{host}gpu:0", "dram:0"], kept) == [f"{host}gpu:0"]
    assert set(without) < set(kept)


@pytest.mark.parametrize("said", sorted(flags.DECIDING))
def test_what_says_which_rounds_count_is_never_cut(said: str) -> None:
    notes = [f"a note, number {number}" for number in range(2 * MOST_WORDS)]
    assert said in noted([*notes, said])
    assert said in noted([*noted([*notes, said]), *notes])
