"""Which findings against a stored run fail a session."""

import pytest

from pytest_energybench.gates.fail_on import FailOnError, failures, parse_fail_on
from pytest_energybench.gates.stored import compare_stored
from pytest_energybench.results.model import Comparison, Verdict
from tests.results.samples import make_case, make_run

A = "tests/test_x.py::test_a"
B = "tests/test_x.py::test_b"


def test_kinds_to_fail_on_are_a_comma_list_of_known_names():
    assert parse_fail_on("regressed, missing") == {"regressed", "missing"}
    assert parse_fail_on("") == set()
    with pytest.raises(FailOnError, match=r"'regresed' is nothing to fail on: one of .*regressed"):
        parse_fail_on("regressed,regresed")


def found(kinds, run, stored, **options):
    return failures(*compare_stored(run, stored, name="main", **options), parse_fail_on(kinds))


def test_only_what_is_named_fails():
    run = make_run(make_case("test_a", 11.0), make_case("test_new", 1.0))
    stored = make_run(make_case("test_a", 10.0), make_case("test_b", 1.0))
    (line,) = found("regressed", run, stored)
    assert line.startswith(f"{A}: regressed: energy 11.0 J (estimated) is above the stored run's")
    assert found("improved,error", run, stored) == []
    assert found("missing", run, stored) == ["tests/test_x.py::test_new: missing from main"]
    assert found("stale", run, stored) == [f"{B}: in main, and no test any more"]


def test_runs_that_are_not_alike_fail_where_asked_for():
    run, stored = make_run(make_case("test_a", 9.0)), make_run(make_case("test_a", 9.0), meters=[])
    assert found("regressed", run, stored) == []
    assert len(found("inconclusive", run, stored)) == 1
    assert found("not-comparable", run, stored)[0].startswith("not comparable with main: cpu is")


def test_an_expected_failure_is_not_made_a_failure():
    run = make_run(make_case("test_a", 11.0, outcome="xfailed"))
    stored = make_run(make_case("test_a", 10.0, outcome="xfailed"))
    assert found("regressed", run, stored) == []


def test_other_comparisons_are_not_those_with_the_stored_run():
    budget = Comparison(origin="budget", verdict=Verdict(kind="regressed", reason=""))
    run = make_run(make_case("test_a", 9.0, comparisons=[budget]))
    assert found("regressed", run, make_run(make_case("test_a", 10.0))) == []
