"""A further run against earlier ones, and where a series of runs changes its level."""

import math
import random
import time

import pytest

from pytest_energybench.gates.changepoints import change_points
from pytest_energybench.gates.statistics import bounds_at, decide, prediction


def series(seed, n, *, noise=0.005, steps=()):
    """Runs of 100 J; from each of `steps` on 2 % more."""
    draw = random.Random(seed)
    return [
        100.0 * 1.02 ** sum(number >= at for at in steps) * math.exp(draw.gauss(0, noise))
        for number in range(n)
    ]


def found(candidate, runs, margin=0.03):
    return decide(*bounds_at(prediction(candidate, runs)), margin)


def test_the_bounds_are_those_of_one_further_run():
    made = prediction([110.0], [100.0, 102.0, 100.0])
    step = math.log(1.02)
    assert made.log_ratio == pytest.approx(math.log(1.10) - step / 3)
    assert made.error == pytest.approx(math.sqrt(2 * step**2 / 4 * (1 + 1 / 3)))
    assert (made.df, made.n, made.method) == (pytest.approx(8 / 5), 3, "prediction")


def test_a_run_that_changed_nothing_is_called_more_in_at_most_one_of_twenty():
    """At a margin of 0, in 1,000 seeded histories of 10 runs with noise from run to run."""
    runs = (series(seed, 11) for seed in range(1000))
    alarms = sum(found(each[-1:], each[:-1], margin=0.0) == "more" for each in runs)
    assert 20 <= alarms <= 65


def test_five_steps_of_two_per_cent_are_seen_although_none_of_them_is():
    for seed in range(20):
        runs = series(seed, 11, steps=range(6, 11))
        alone = [found(runs[at : at + 1], runs[at - 1 : at] * 2) for at in range(6, 11)]
        assert runs[-1] / runs[-2] - 1 < 0.04
        assert found(runs[-1:], runs[:-1]) == "more", alone


def test_changes_of_level_are_found_where_they_are():
    made = [change_points(series(seed, 20, steps=[12])) for seed in range(100)]
    exact = [each for each in made if [point.index for point in each] == [12]]
    assert len(exact) >= 80
    assert all(only.change == pytest.approx(0.02, abs=0.01) for (only,) in exact)
    up_and_down = [100.0] * 5 + [120.0] * 5 + [90.0] * 5
    assert [(each.index, each.change) for each in change_points(up_and_down)] == [
        (5, pytest.approx(0.2)),
        (10, pytest.approx(-0.25)),
    ]


def test_runs_of_one_level_rarely_show_a_change_and_few_runs_none():
    wrong = sum(bool(change_points(series(seed, 20))) for seed in range(300))
    assert wrong <= 20
    for few in ([], [1.0], [1.0, 9.0], [1.0, 9.0, 9.0], [5.0] * 10, [5.0, 5.0, 9.0, 5.0, 5.0, 5.0]):
        assert change_points(few) == []


def test_eight_times_the_runs_take_about_eight_times_as_long():
    def took(n: int) -> float:
        runs = series(1, n, steps=[n // 2])
        began = time.process_time()
        assert n // 2 in [each.index for each in change_points(runs)]
        return time.process_time() - began

    assert min(took(8000) for _ in range(3)) < 24 * min(took(1000) for _ in range(3))
