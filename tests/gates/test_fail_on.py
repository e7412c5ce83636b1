"""Which findings against a stored run fail a session."""

import pytest

from pytest_energybench.gates.fail_on import (
    KINDS,
    FailOnError,
    failures,
    parse_fail_on,
    warnings,
)
from pytest_energybench.gates.results import DEFAULT_FAILS
from pytest_energybench.gates.stored import compare_stored
from pytest_energybench.results.model import Comparison, Result
from pytest_energybench.session.options import OPTIONS
from tests.results.samples import make_case, make_run

A = "tests/test_x.py::test_a"
B = "tests/test_x.py::test_b"


def test_kinds_to_fail_on_are_a_comma_list_of_known_names():
    assert parse_fail_on("more, not-measured") == {"more", "not-measured"}
    assert parse_fail_on("nothing") == set()
    for empty in ("", " ", ","):  # variables that aren't set must not be a gate that is off
        with pytest.raises(FailOnError, match="it is empty: one of more, "):
            parse_fail_on(empty)
    with pytest.raises(FailOnError, match=r"'mor' is nothing to fail on: one of more, .*stale"):
        parse_fail_on("more,mor")


def found(kinds, run, stored, **options):
    fails = parse_fail_on(kinds or "nothing")
    return failures(*compare_stored(run, stored, name="main", fails=fails, **options), fails)


def test_only_what_is_named_fails():
    run = make_run(make_case("test_a", 11.0), make_case("test_new", 1.0))
    stored = make_run(make_case("test_a", 10.0), make_case("test_b", 1.0))
    assert found("more", run, stored) == [
        f"{A}: more than main: energy 11.0 J (estimated) is above main's 10.0 J (estimated)"
        " +0 % margin: +10.0 %; one round: a threshold, no interval"
    ]
    assert found("too-noisy,not-measured", run, stored) == []
    assert found("missing", run, stored) == ["tests/test_x.py::test_new: missing from main"]
    assert found("stale", run, stored) == [f"{B}: in main, and no longer metered"]


def test_runs_that_are_not_alike_fail_where_asked_for():
    run, stored = make_run(make_case("test_a", 9.0)), make_run(make_case("test_a", 9.0), meters=[])
    assert found("more,too-noisy", run, stored) == []
    lines = found("not-comparable", run, stored)
    assert lines[0].startswith("not comparable with main: cpu is")
    assert not any("test_a" in line for line in lines)


def test_a_case_that_ended_otherwise_is_not_comparable():
    run, stored = (
        make_run(make_case("test_a", 9.0)),
        make_run(make_case("test_a", 9.0, outcome="failed")),
    )
    assert found("too-noisy", run, stored) == []
    (line,) = found("not-comparable", run, stored)
    assert line == f"{A}: not comparable: the case is passed here and failed in the stored run"


def test_an_expected_failure_is_not_made_a_failure():
    run = make_run(make_case("test_a", 11.0, outcome="xfailed"))
    stored = make_run(make_case("test_a", 10.0, outcome="xfailed"))
    assert found("more", run, stored) == []


def test_other_comparisons_are_not_those_with_the_stored_run():
    broken = Result(kind="fail", reason="over budget")
    budget = Comparison(reference="budget", finding="higher", judged=broken)
    run = make_run(make_case("test_a", 9.0, comparisons=[budget]))
    assert found("more", run, make_run(make_case("test_a", 10.0))) == []


def test_what_nothing_decided_and_nothing_fails_is_a_warning():
    busy = Result(
        kind="unknown", reason="machine busy", text="energy 2 J; caution: background load"
    )
    cases = [
        make_case(
            f"test_{number}",
            1.0,
            comparisons=[Comparison(reference="stored", finding="unclear", judged=judged)],
        )
        for number, judged in enumerate([Result(kind="pass"), *[busy] * 7])
    ]
    found = warnings(make_run(*cases))
    assert len(found) == 6
    assert "test_1: machine busy: energy 2 J; caution: background load" in found[0]
    assert found[-1] == "and 2 more that nothing decides"


def test_the_options_default_is_what_the_gates_fail_on():
    (option,) = [each for each in OPTIONS if each.name == "fail-on"]
    assert option.default == DEFAULT_FAILS
    assert set(KINDS) >= DEFAULT_FAILS
