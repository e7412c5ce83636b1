"""Odd cases become something that a file can hold, and no other case is touched by them."""

import math
from enum import IntEnum, StrEnum
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_energybench.results.model import (
    Case,
    Comparison,
    MeterInfo,
    Result,
    Search,
    Series,
    Window,
)
from pytest_energybench.results.run_file import check_encodable, encode_run, parse_run
from pytest_energybench.results.storable import scalar, storable_case, storable_head, text
from tests.results.samples import full_run, make_case, make_run


class Proxy:
    """Stands for a lazy object of a web framework: whatever is asked of it raises."""

    @property
    def __class__(self):
        raise RuntimeError("outside of its context")

    def __getattr__(self, name):
        raise RuntimeError("outside of its context")

    def __repr__(self):
        raise RuntimeError("outside of its context")


class Colour(StrEnum):
    RED = "red"


class Level(IntEnum):
    HIGH = 3


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (None, None),
        (True, True),
        (7, 7),
        (0.5, 0.5),
        (math.inf, "inf"),
        (-math.inf, "-inf"),
        (math.nan, "nan"),
        (2**63 - 1, 2**63 - 1),
        (2**63, str(2**63)),
        (-(2**200), str(-(2**200))),
        ("a\ud800b", "a\\ud800b"),
        ("", ""),
        (Colour.RED, "red"),
        (Level.HIGH, 3),
        (np.float64(1.5), 1.5),
        (np.float64("nan"), "nan"),
        (len, "len"),
        (Path("/a/b"), "b"),
        ((1, 2), "(1, 2)"),
        (object(), "object"),
        (type("Long", (), {"__name__": "x" * 999})(), "x" * 200),
    ],
)
def test_what_a_parameter_is_kept_as(value, kept):
    found = scalar(value)
    assert found == kept
    assert type(found) is type(kept)


def test_what_cannot_even_be_printed_is_kept_as_what_it_is():
    assert scalar(10**5000) == "an integer of 16610 bits"
    assert scalar(Proxy()) == "Proxy"


def test_a_text_with_half_a_surrogate_pair_is_escaped_and_others_stay():
    assert text("caf\xe9 \U0001f600 \udcff") == "caf\xe9 \U0001f600 \\udcff"


def test_a_case_that_can_be_held_stays_the_same():
    for case in full_run().cases:
        assert storable_case(case) is case


@pytest.mark.parametrize("joules", [math.nan, math.inf, -1.0, 1e40])
def test_a_figure_that_is_no_energy_leaves_no_total_and_is_told(joules):
    case = make_case("test_a", 1.0, 2.0, 3.0)
    rounds = [*case.rounds[:2], msgspec.structs.replace(case.rounds[2], total_j=joules)]
    found = storable_case(msgspec.structs.replace(case, total_j=joules, rounds=rounds))
    assert found.total_j is None
    assert found.facility_j is None
    assert [each.total_j for each in found.rounds] == [1.0, 2.0, None]
    assert found.errors == ["a figure is no energy, so the total is not known"]


def test_the_points_of_a_curve_that_are_no_numbers_are_left_out_and_told():
    curve = [(1.0, 0.9), (2.0, math.nan)]
    case = make_case(
        "test_a",
        1.0,
        series=[Series(name="loss", x="epoch", points=[*curve, (math.inf, 1.0)])],
        search=Search(parameter="bits", found=3.0, curve=curve, evaluations=2, images=2),
    )
    found = storable_case(case)
    assert found.series[0].points == [(1.0, 0.9)]
    assert found.search.curve == [(1.0, 0.9)]
    assert found.flags == [
        "2 points of loss are not finite, left out",
        "1 points of bits are not finite, left out",
    ]
    assert found.total_j == 1.0


def test_a_case_that_cannot_be_held_at_all_is_kept_by_name():
    case = make_case("test_\ud800", 1.0, outcome=7)
    found = storable_case(case)
    assert (found.name, found.outcome, found.total_j) == ("test_\\ud800", "error", None)
    assert "can't be written" in found.errors[0]


odd_floats = st.floats() | st.sampled_from([math.nan, math.inf, -math.inf, -1.0, 1e300])
odd_texts = st.text(st.characters(exclude_categories=()), max_size=8)
odd_values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**400), 10**400),
    odd_floats,
    odd_texts,
    st.builds(Proxy),
    st.builds(object),
    st.binary(max_size=4),
    st.lists(st.integers(), max_size=2),
)
joules = st.dictionaries(odd_texts, odd_floats, max_size=2)
scalars = st.dictionaries(odd_texts, odd_values, max_size=3)
odd_cases = st.builds(
    Case,
    nodeid=odd_texts,
    name=odd_texts,
    group=st.none() | odd_texts,
    params=scalars,
    metrics=scalars,
    total_j=st.none() | odd_floats,
    facility_j=st.none() | odd_floats,
    duration_s=odd_floats,
    energy_j=joules,
    provenance=st.dictionaries(odd_texts, st.just("measured"), max_size=2),
    windows=st.lists(
        st.builds(
            Window,
            name=odd_texts,
            started=st.just("2026-01-02T03:04:05Z"),
            duration_s=odd_floats,
            energy_j=joules,
            total_j=st.none() | odd_floats,
            provenance=st.just({}),
            flags=st.lists(odd_texts, max_size=2),
            errors=st.lists(odd_texts, max_size=2),
        ),
        max_size=2,
    ),
    series=st.lists(
        st.builds(
            Series,
            name=odd_texts,
            x=odd_texts,
            points=st.lists(st.tuples(odd_floats, odd_floats), max_size=3),
        ),
        max_size=2,
    ),
    search=st.none()
    | st.builds(
        Search,
        parameter=odd_texts,
        found=odd_floats,
        curve=st.lists(st.tuples(odd_floats, odd_floats), max_size=3),
        evaluations=st.integers(0, 9),
        images=st.integers(0, 10**30),
        duration_s=odd_floats,
        total_j=st.none() | odd_floats,
    ),
    flags=st.lists(odd_texts, max_size=2),
    errors=st.lists(odd_texts, max_size=2),
    comparisons=st.lists(
        st.builds(
            Comparison,
            reference=st.just("budget"),
            name=odd_texts,
            finding=st.just("lower"),
            limit=st.none() | odd_floats,
            estimate=st.none() | odd_floats,
            interval=st.none() | st.tuples(odd_floats, odd_floats),
            judged=st.builds(Result, kind=st.just("pass"), reason=odd_texts, text=odd_texts),
        ),
        max_size=2,
    ),
)


@settings(max_examples=200)
@given(odd_cases)
def test_whatever_a_case_holds_it_can_be_written_beside_others(case):
    found = storable_case(case)
    check_encodable(found, "$")
    fine = make_case("test_fine", 1.0)
    if found.nodeid != fine.nodeid:
        assert parse_run(encode_run(make_run(fine, found))).cases[0] == fine


@settings(max_examples=50)
@given(scalars, st.lists(odd_texts, max_size=2), odd_texts)
def test_whatever_a_runs_head_holds_it_can_be_written(values, errors, note):
    meter = MeterInfo(domain=note, source=note, provenance="measured", note=note)
    run = make_run(make_case("test_a", 1.0), settings=values, errors=errors, meters=[meter])
    assert parse_run(encode_run(storable_head(run))).cases == run.cases
