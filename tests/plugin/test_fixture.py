"""The `energy` fixture as a test uses it: windows, calls, records and assertions."""

from __future__ import annotations

import math
from collections.abc import Callable

import msgspec
import numpy as np
import pytest

from pytest_energybench.cases.draft import Draft
from pytest_energybench.fixture import Energy
from pytest_energybench.metering.fake import FakeMeter
from pytest_energybench.metering.idle import measure_idle
from pytest_energybench.results.model import Case


@pytest.fixture
def meter() -> FakeMeter:
    return FakeMeter({"cpu:0": 10.0, "dram:0": 2.0})


@pytest.fixture
def make(meter: FakeMeter) -> Callable[..., Energy]:
    """The fixture of one test, in group `net` where a baseline is given."""

    def make(baseline: Case | None = None, **case: object) -> Energy:
        group = "net" if baseline is not None else case.pop("group", None)
        draft = Draft(Case(nodeid="test_x.py::test", name="test", group=group, **case))
        return Energy(draft, meter=lambda: meter, baseline=lambda: baseline)

    return make


@pytest.fixture
def energy(make: Callable[..., Energy]) -> Energy:
    return make()


def finished(
    make: Callable[..., Energy], meter: FakeMeter, seconds: float, **record: object
) -> Case:
    """A baseline that used 12 W for some seconds."""
    energy = make(group="net")
    with energy.measure():
        meter.clock.advance(seconds)
    energy.record(**record)
    return energy.case()


class TestWindows:
    def test_a_window_shows_its_joules_to_the_test(self, energy: Energy, meter: FakeMeter) -> None:
        with energy.measure("train") as window:
            meter.clock.advance(2.0)
            assert window.joules_so_far() == pytest.approx(24.0)
        assert window.energy_j == {"cpu:0": 20.0, "dram:0": 4.0}
        assert (window.total_j, window.duration_s) == (24.0, 2.0)

    def test_several_windows_add_up_to_one_round(self, energy: Energy, meter: FakeMeter) -> None:
        for _ in range(3):
            with energy.measure():
                meter.clock.advance(1.0)
            meter.clock.advance(100.0)
        case = energy.case()
        assert (case.total_j, case.duration_s, len(case.rounds)) == (36.0, 3.0, 1)
        assert case.energy_j == {"cpu:0": 30.0, "dram:0": 6.0}
        assert len(case.windows) == 3

    def test_a_window_inside_another_counts_once(self, energy: Energy, meter: FakeMeter) -> None:
        with energy.measure("outer"):
            meter.clock.advance(1.0)
            with energy.measure("inner"):
                meter.clock.advance(1.0)
        case = energy.case()
        assert case.total_j == 24.0
        assert {w.name: (w.place, w.total_j) for w in case.windows} == {
            "inner": ("inner", 12.0),
            "outer": ("counted", 24.0),
        }

    def test_a_window_that_does_not_count_is_kept_beside(
        self, energy: Energy, meter: FakeMeter
    ) -> None:
        with energy.measure("search", counted=False):
            meter.clock.advance(5.0)
        with energy.measure("train"):
            meter.clock.advance(1.0)
        case = energy.case()
        assert case.total_j == 12.0
        assert [(w.name, w.place, w.total_j) for w in case.windows] == [
            ("search", "beside", 60.0),
            ("train", "counted", 12.0),
        ]

    def test_a_body_that_raises_keeps_its_joules(self, energy: Energy, meter: FakeMeter) -> None:
        def work() -> None:
            with energy.measure():
                meter.clock.advance(1.0)
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            work()
        assert energy.total_j == 12.0

    def test_facility_energy_is_pue_times_it_energy(self, meter: FakeMeter) -> None:
        draft = Draft(Case(nodeid="x", name="x"), pue=1.58)
        energy = Energy(draft, meter=lambda: meter, baseline=lambda: None)
        with energy.measure():
            meter.clock.advance(1.0)
        assert energy.case().total_j == 12.0
        assert energy.case().facility_j == pytest.approx(18.96)

    def test_ones_own_meter_is_read_instead(self, energy: Energy, meter: FakeMeter) -> None:
        joules = iter([100.0, 107.0])

        def wall() -> float:
            return next(joules)

        with energy.measure(meters=[wall]) as window:
            meter.clock.advance(1.0)
        assert window.energy_j == {"wall": 7.0}
        assert energy.total_j == 7.0


class TestIdlePower:
    def test_what_the_idle_machine_draws_is_subtracted_and_both_are_kept(
        self, meter: FakeMeter
    ) -> None:
        idle = measure_idle(
            FakeMeter({"cpu:0": 4.0}, clock=meter.clock), 2.0, sleep=meter.clock.advance
        )
        energy = Energy(
            Draft(Case(nodeid="x", name="x")),
            meter=lambda: meter,
            baseline=lambda: None,
            idle=lambda: idle,
        )
        with energy.measure():
            meter.clock.advance(3.0)
        energy(meter.clock.advance, 1.0, iterations=2)
        case = energy.case()
        assert case.energy_j == {"cpu:0": 18.0 + 6.0, "dram:0": 6.0 + 2.0}
        assert case.idle_j == {"cpu:0": 12.0 + 4.0, "dram:0": 0.0}
        assert case.total_j == 32.0
        assert any("dram:0: idle power unknown" in flag for flag in case.flags)


class TestLostDomains:
    def test_a_lost_domain_leaves_no_total(self, energy: Energy, meter: FakeMeter) -> None:
        with energy.measure() as window:
            meter.clock.advance(1.0)
            meter.source.lose("dram:0")
            meter.clock.advance(1.0)
        assert math.isnan(window.total_j)
        case = energy.case()
        assert case.total_j is None
        assert case.facility_j is None
        assert "dram:0" in case.errors[0]

    def test_no_limit_is_met_by_an_unknown_energy(self, energy: Energy, meter: FakeMeter) -> None:
        with energy.measure():
            meter.source.lose("dram:0")
            meter.clock.advance(1.0)
        with pytest.raises(AssertionError, match="energy is not known"):
            energy.assert_below("1 kWh")


class TestCalls:
    def test_a_call_returns_what_the_function_returns(
        self, energy: Energy, meter: FakeMeter
    ) -> None:
        def train(a: int, *, b: int) -> int:
            meter.clock.advance(1.0)
            return a + b

        assert energy(train, 1, b=2) == 3
        assert energy.total_j == 12.0

    def test_the_figure_is_the_median_of_the_rounds(self, energy: Energy, meter: FakeMeter) -> None:
        seconds = iter([1.0, 9.0, 2.0])
        energy(lambda: meter.clock.advance(next(seconds)), rounds=3)
        case = energy.case()
        assert [entry.total_j for entry in case.rounds] == [12.0, 108.0, 24.0]
        assert (case.total_j, case.duration_s) == (24.0, 2.0)
        assert [window.round for window in case.windows] == [0, 1, 2]

    def test_warm_up_and_setup_are_not_metered(self, energy: Energy, meter: FakeMeter) -> None:
        seen: list[tuple[object, ...]] = []

        def inputs() -> tuple[str, str]:
            meter.clock.advance(50.0)
            return "made", "here"

        def work(*args: object) -> None:
            seen.append(args)
            meter.clock.advance(1.0)

        energy(work, "given", rounds=2, warmup=1, setup=inputs)
        assert energy.total_j == 12.0
        assert seen == [("given", "made", "here")] * 3

    def test_a_short_call_is_iterated_until_its_counter_can_tell(self) -> None:
        meter = FakeMeter({"cpu:0": 10.0}, period_s=0.001)
        calls = []

        def quick() -> None:
            calls.append(None)
            meter.clock.advance(0.0005)

        energy = Energy(
            Draft(Case(nodeid="x", name="x")), meter=lambda: meter, baseline=lambda: None
        )
        energy(quick)
        case = energy.case()
        (window,), (entry,) = case.windows, case.rounds
        assert window.duration_s >= 20 * 0.001
        assert entry.iterations >= 40
        assert case.total_j == pytest.approx(0.005)
        assert case.duration_s == pytest.approx(0.0005)
        assert not case.flags

    def test_one_iteration_is_one_when_asked_for(self) -> None:
        meter = FakeMeter({"cpu:0": 10.0}, period_s=0.001)
        energy = Energy(
            Draft(Case(nodeid="x", name="x")), meter=lambda: meter, baseline=lambda: None
        )
        calls: list[int] = []
        energy(lambda: calls.append(meter.clock.advance(0.0005) or 1), iterations=1)
        assert len(calls) == 1
        assert any("too short for this counter" in flag for flag in energy.case().flags)

    def test_two_calls_add_up_round_by_round(self, energy: Energy, meter: FakeMeter) -> None:
        energy(meter.clock.advance, 1.0, rounds=2)
        energy(meter.clock.advance, 2.0, rounds=2)
        assert [entry.total_j for entry in energy.case().rounds] == [36.0, 36.0]

    def test_two_calls_with_other_rounds_are_refused(
        self, energy: Energy, meter: FakeMeter
    ) -> None:
        energy(meter.clock.advance, 1.0, rounds=2)
        with pytest.raises(ValueError, match="rounds=3 after rounds=2"):
            energy(meter.clock.advance, 1.0, rounds=3)

    @pytest.mark.parametrize(
        "wrong",
        [{"rounds": 0}, {"warmup": -1}, {"iterations": 0}, {"rounds": 1.5}, {"rounds": True}],
    )
    def test_impossible_counts_are_refused_by_name(
        self, energy: Energy, wrong: dict[str, object]
    ) -> None:
        (name,) = wrong
        with pytest.raises(ValueError, match=name):
            energy(print, **wrong)

    def test_setup_makes_the_inputs_of_one_call_only(self, energy: Energy) -> None:
        with pytest.raises(ValueError, match="one call only"):
            energy(print, setup=list, iterations=2)


class TestComparedInOneTest:
    def test_rounds_are_interleaved_and_the_lower_one_is_found(
        self, energy: Energy, meter: FakeMeter
    ) -> None:
        ran: list[str] = []

        def work(name: str, seconds: float) -> None:
            ran.append(name)
            meter.clock.advance(seconds + 0.001 * len(ran))

        found = energy.compare(lambda: work("A", 5.0), lambda: work("B", 10.0), rounds=3, warmup=0)
        assert "".join(ran[2:]) == "BAABBA"  # two calls first find out how long they take
        found.assert_lower()
        case = energy.case()
        assert len(case.rounds) == 3
        assert case.total_j == pytest.approx(60.0, rel=0.01)
        assert case.comparisons[0].verdict.method == "paired"

    def test_what_is_no_lower_fails_with_figures_and_bounds(
        self, energy: Energy, meter: FakeMeter
    ) -> None:
        found = energy.compare(
            lambda: meter.clock.advance(10.2), lambda: meter.clock.advance(10.0), rounds=5
        )
        with pytest.raises(AssertionError, match=r"122 J .*120 J .*\+2\.0 %(.|\n)*n = 5"):
            found.assert_lower()
        found.assert_within("3 %")
        with pytest.raises(AssertionError, match="above"):
            found.assert_within(0.01)

    def test_setup_runs_before_each_round_outside_the_window(
        self, energy: Energy, meter: FakeMeter
    ) -> None:
        made: list[int] = []

        def inputs() -> int:
            meter.clock.advance(50.0)
            made.append(len(made))
            return made[-1]

        energy.compare(
            lambda number: meter.clock.advance(1.0 + 0 * number),
            lambda number: meter.clock.advance(2.0 + 0 * number),
            rounds=2,
            warmup=1,
            setup=inputs,
        ).assert_lower()
        assert energy.total_j == 12.0
        assert len(made) == 6

    def test_equal_functions_are_not_lower(self, energy: Energy, meter: FakeMeter) -> None:
        found = energy.compare(
            lambda: meter.clock.advance(1.0), lambda: meter.clock.advance(1.0), rounds=3
        )
        with pytest.raises(AssertionError):
            found.assert_lower()
        found.assert_within(0.0)


class TestRecords:
    def test_accuracy_comes_from_the_counts(self, energy: Energy) -> None:
        energy.record(correct=712, total=719, epochs=6)
        assert energy.case().metrics == {
            "correct": 712,
            "total": 719,
            "epochs": 6,
            "accuracy": 712 / 719,
        }

    def test_scalars_of_other_libraries_become_plain(self, energy: Energy) -> None:
        energy.record(loss=np.float32(0.5), correct=np.int64(1), total=np.int64(2))
        assert energy.case().metrics == {"loss": 0.5, "correct": 1, "total": 2, "accuracy": 0.5}
        assert type(energy.case().metrics["correct"]) is int

    @pytest.mark.parametrize(
        ("record", "error"),
        [
            ({"correct": 5, "total": 4}, ValueError),
            ({"correct": 0, "total": 0}, ValueError),
            ({"loss": math.nan}, ValueError),
            ({"loss": [1.0]}, TypeError),
        ],
    )
    def test_what_is_no_metric_is_refused(
        self, energy: Energy, record: dict[str, object], error: type[Exception]
    ) -> None:
        with pytest.raises(error, match=r"energy\.record"):
            energy.record(**record)

    def test_a_search_is_priced_and_pays_after_some_trainings(
        self, make: Callable[..., Energy], meter: FakeMeter
    ) -> None:
        baseline = finished(make, meter, 10.0)
        energy = make(baseline)
        with energy.measure("search", counted=False):
            meter.clock.advance(8.0)
        with energy.measure("train"):
            meter.clock.advance(6.0)
        energy.record_search(
            parameter="zeroed bits",
            found=20,
            curve=[(20, 0.97), (21, 0.9)],
            evaluations=5,
            images=9,
        )
        search = energy.case().search
        assert search is not None
        assert (search.total_j, search.duration_s, search.found) == (96.0, 8.0, 20.0)
        assert search.pays_after == pytest.approx(96.0 / 48.0)

    def test_a_search_never_pays_where_training_saves_nothing(
        self, make: Callable[..., Energy], meter: FakeMeter
    ) -> None:
        energy = make(finished(make, meter, 1.0))
        with energy.measure("search", counted=False):
            meter.clock.advance(1.0)
        with energy.measure("train"):
            meter.clock.advance(2.0)
        energy.record_search(parameter="rank", found=1, curve=[], evaluations=1, images=1)
        search = energy.case().search
        assert search is not None
        assert search.pays_after is None


class TestAssertions:
    def test_a_limit_holds_or_says_both_figures_and_provenance(
        self, energy: Energy, meter: FakeMeter
    ) -> None:
        with energy.measure():
            meter.clock.advance(10.0)
        energy.assert_below("120 J")
        with pytest.raises(AssertionError) as failure:
            energy.assert_below("100 J")
        message = str(failure.value)
        assert "120 J" in message
        assert "100 J" in message
        assert "measured" in message
        assert len(message.splitlines()) <= 3

    def test_an_assertion_before_anything_was_metered_says_what_to_do(self, energy: Energy) -> None:
        with pytest.raises(AssertionError, match=r"nothing was metered.*energy\.measure"):
            energy.assert_below("1 J")

    def test_energy_below_the_baseline(self, make: Callable[..., Energy], meter: FakeMeter) -> None:
        baseline = finished(make, meter, 10.0)
        energy = make(baseline)
        with energy.measure():
            meter.clock.advance(10.2)
        with pytest.raises(AssertionError, match=r"122 J .*120 J .*\+2\.0 %"):
            energy.assert_below_baseline()
        energy.assert_below_baseline(margin="3 %")
        energy.assert_below_baseline(margin=0.03)

    def test_accuracy_within_the_baseline(
        self, make: Callable[..., Energy], meter: FakeMeter
    ) -> None:
        energy = make(finished(make, meter, 1.0, correct=985, total=1000))
        energy.record(correct=975, total=1000)
        energy.assert_accuracy_within_baseline(max_drop=0.01)
        energy.record(correct=974, total=1000)
        with pytest.raises(AssertionError, match=r"0\.9740 .*0\.9850"):
            energy.assert_accuracy_within_baseline(max_drop=0.01)

    def test_a_numpy_accuracy_is_as_good_as_a_float(self, energy: Energy) -> None:
        energy.assert_accuracy(np.float64(0.9), baseline=np.float32(0.9))
        msgspec.json.encode(energy.case())

    def test_accuracy_against_a_stated_one(self, energy: Energy) -> None:
        energy.assert_accuracy(0.975, baseline=0.985, max_drop=0.01)
        with pytest.raises(AssertionError, match=r"0\.9740"):
            energy.assert_accuracy(0.974, baseline=0.985, max_drop=0.01)

    def test_the_baseline_has_nothing_to_be_compared_with(
        self, make: Callable[..., Energy], meter: FakeMeter
    ) -> None:
        energy = make(group="net")
        assert energy.baseline is None
        itself = Energy(
            Draft(Case(nodeid="b", name="b", group="net", baseline=True)),
            meter=lambda: meter,
            baseline=lambda: None,
        )
        itself.assert_below_baseline()
        itself.assert_accuracy_within_baseline()
        assert itself.case().comparisons == []

    @pytest.mark.parametrize(
        ("case", "said"),
        [({}, "belongs to no group"), ({"group": "net"}, "'net' has no baseline")],
    )
    def test_a_missing_baseline_is_named(
        self, make: Callable[..., Energy], meter: FakeMeter, case: dict[str, object], said: str
    ) -> None:
        energy = make(**case)
        with energy.measure():
            meter.clock.advance(1.0)
        with pytest.raises(AssertionError, match=said):
            energy.assert_below_baseline()

    def test_a_baseline_that_failed_is_no_yardstick(
        self, make: Callable[..., Energy], meter: FakeMeter
    ) -> None:
        failed = msgspec.structs.replace(finished(make, meter, 1.0), outcome="failed")
        energy = make(failed)
        with energy.measure():
            meter.clock.advance(1.0)
        with pytest.raises(AssertionError, match="has failed"):
            energy.assert_below_baseline()


class TestDisabled:
    def test_work_runs_and_nothing_is_judged(self, meter: FakeMeter) -> None:
        draft = Draft(Case(nodeid="x", name="x", group="net"))
        energy = Energy(draft, meter=lambda: meter, baseline=lambda: None, disabled=True)
        with energy.measure():
            meter.clock.advance(1.0)
        assert energy(lambda: 7, rounds=5) == 7
        energy.assert_below("1 mJ")
        energy.assert_below_baseline()
        energy.assert_accuracy_within_baseline()
        energy.assert_accuracy(0.1, baseline=0.9)
        assert draft.windows == []
        assert draft.called == []


def test_sampled_power_becomes_a_curve_of_the_case(energy: Energy, meter: FakeMeter) -> None:
    with energy.measure("train") as window:
        meter.clock.advance(1.0)
        window.samples = {"gpu:0": [(i / 1000, 100.0 + i) for i in range(1000)]}
    (series,) = energy.case().series
    assert (series.name, series.x, series.unit) == ("power gpu:0, train", "s", "W")
    assert series.points[0] == (0.0, 100.0)
    assert 200 < len(series.points) <= 400
