"""A long run in words."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from pytest_energybench.report.progress import (
    Roll,
    all_running,
    case_labels,
    seconds_metered,
    where_time_went,
)
from pytest_energybench.results.model import Case, Window

PAPER = [f"bench/test_paper.py::test_paper[resnet18-{name}]" for name in ("baseline", "amp")]
CASE = Case(
    nodeid=PAPER[1],
    name="test_paper[resnet18-amp]",
    total_j=1920.0,
    duration_s=117.9,
    provenance={"cpu:0": "measured"},
)


def window(name: str, seconds: float, place: str = "counted", started: str = "") -> Window:
    return Window(
        name=name,
        started=started,
        duration_s=seconds,
        energy_j={},
        total_j=None,
        provenance={},
        place=place,
    )


class TestLabels:
    def test_are_the_parameters_where_all_cases_are_of_one_test(self) -> None:
        assert case_labels(PAPER) == ["resnet18-baseline", "resnet18-amp"]

    def test_are_the_tests_names_otherwise(self) -> None:
        assert case_labels(PAPER[:1]) == ["test_paper[resnet18-baseline]"]
        nodeids = ["test_a.py::test_one[x::y]", "test_a.py::TestIt::test_two"]
        assert case_labels(nodeids) == ["test_one[x::y]", "test_two"]

    def test_are_node_ids_where_names_are_not_their_own(self) -> None:
        nodeids = ["a.py::test_one", "b.py::test_one", "b.py::test_two"]
        assert case_labels(nodeids) == [*nodeids[:2], "test_two"]

    def test_hold_nothing_that_a_terminal_would_obey(self) -> None:
        assert case_labels(["a.py::test_x[\x1b[2J]"]) == ["test_x[\\x1b[2J]"]


class TestRunning:
    def test_says_case_phase_words_time_and_joules(self) -> None:
        line = Roll(PAPER).running(
            PAPER[1], 38.9, words=("train", "epoch 3 of at most 6"), joules=900.0, estimated=True
        )
        assert line == "[2/2] resnet18-amp: train, epoch 3 of at most 6, 38 s, ~900 J"

    def test_leaves_out_what_is_not_known(self) -> None:
        assert Roll(PAPER).running(PAPER[0], 90.0, words=("", "")) == (
            "[1/2] resnet18-baseline: 1:30"
        )

    def test_words_hold_nothing_that_a_terminal_would_obey(self) -> None:
        line = Roll(PAPER).running(PAPER[0], 1.0, words=("\x1b[2J", "a\nb"))
        assert line == "[1/2] resnet18-baseline: \\x1b[2J, a b, 1 s"

    def test_of_many_processes_three_are_named(self) -> None:
        assert all_running(["a"]) == "a"
        assert all_running(["a", "b", "c", "d", "e"]) == "a; b; c; and 2 more"


class TestFinished:
    def test_says_energy_and_time_in_columns(self) -> None:
        roll = Roll(PAPER)
        first = replace(CASE, nodeid=PAPER[0], total_j=2890.0, duration_s=3723.0)
        assert [roll.finished(first), roll.finished(CASE)] == [
            "[1/2] resnet18-baseline   2.89 kJ  1:02:03",
            "[2/2] resnet18-amp        1.92 kJ     1:57",
        ]

    def test_says_epochs_where_they_were_recorded_and_how_it_ended(self) -> None:
        case = replace(CASE, metrics={"epochs": 6}, outcome="failed")
        assert Roll(PAPER).finished(case).endswith("1:57  6 epochs  failed")

    def test_marks_estimates_and_what_is_not_known(self) -> None:
        roll = Roll(PAPER)
        estimated = replace(CASE, provenance={"cpu": "estimated"})
        assert "~1.92 kJ" in roll.finished(estimated)
        assert roll.finished(replace(CASE, total_j=None)).split()[2] == "–"


class TestWhereTimeWent:
    def test_the_parts_make_up_the_whole(self) -> None:
        spent = {"search": 160.9, "metered": 770.9, "warm start": 150.9, "": 7.0, "waiting": 0.2}
        assert where_time_went(1083.0, spent) == (
            "18:03 in all: 12:50 metered, 2:40 search, 2:30 warm start, 0:03 other"
        )

    def test_nothing_is_left_over_where_nothing_is(self) -> None:
        assert where_time_went(60.0, {"metered": 60.0}) == "1:00 in all: 1:00 metered"
        assert where_time_went(60.0, {}) == "1:00 in all"

    def test_seconds_of_several_processes_are_no_parts_of_the_whole(self) -> None:
        line = where_time_went(60.0, {"metered": 100.0}, together=True)
        assert line == "1:00 in all; all processes together: 1:40 metered"

    def test_windows_beside_go_by_their_names_and_inner_ones_lie_in_others(self) -> None:
        windows = [
            window("search", 3.0, "beside"),
            window("train", 20.0),
            window("epoch", 9.0, "inner"),
            window("train", 10.0),
        ]
        assert seconds_metered([replace(CASE, windows=windows)]) == {
            "search": 3.0,
            "metered": 30.0,
        }

    def test_a_window_that_tests_share_counts_once(self) -> None:
        shared = replace(CASE, windows=[window("fit", 5.0, started="2026-01-01T00:00:00")])
        assert seconds_metered([shared, shared]) == {"metered": 5.0}


@pytest.mark.parametrize("count", [9, 10, 100])
def test_numbers_are_as_wide_as_the_last_one(count: int) -> None:
    nodeids = [f"a.py::test_x[{number}]" for number in range(count)]
    roll = Roll(nodeids)
    assert {len(roll.running(each, 0.0).partition("]")[0]) for each in nodeids} == {
        2 + 2 * len(str(count))
    }
