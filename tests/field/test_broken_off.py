"""A session that is left in its midst is no passed one while metered tests are not at their end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.field.suites import locks_of_its_own, only_this_plugin, suite  # noqa: F401

LEAVES = """
import pytest

def test_first(energy):
    with energy.measure():
        sum(range(10_000))

def test_leaves(energy):
    with energy.measure():
        pytest.exit("enough", returncode=0)

@pytest.mark.energy_budget(max="0.001 J")
def test_never_judged():
    sum(range(10_000))
"""


def test_an_exit_status_that_was_asked_for_passes_no_budget(suite: pytest.Pytester) -> None:  # noqa: F811
    suite.makepyfile(LEAVES)
    result = suite.runpytest("--energy-json=run.json")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    (error,) = json.loads(Path("run.json").read_text())["errors"]
    assert error.startswith(
        "the run was cut short: 2 of its 3 metered tests did not run to their end"
    )


LEAVES_AT_THE_END = """
import os
import pytest

def test_metered(energy, work):
    with energy.measure():
        work(float(os.environ.get("SECONDS", "1")))
    energy.assert_below("24 J")

def test_leaves():
    pytest.exit("enough", returncode=0)
"""


def test_one_that_leaves_after_the_last_metered_test_keeps_its_status(
    suite: pytest.Pytester,  # noqa: F811
) -> None:
    suite.makepyfile(LEAVES_AT_THE_END)
    assert suite.runpytest().ret == 0


@pytest.mark.parametrize(
    ("seconds", "says"), [("2", "*more than main*"), ("3", "*is above the budget of*")]
)
def test_one_that_leaves_at_the_end_passes_nothing_that_fails(
    suite: pytest.Pytester,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    seconds: str,
    says: str,
) -> None:
    suite.makepyfile(LEAVES_AT_THE_END)
    assert suite.runpytest("--energy-save=main", "-k", "metered").ret == 0
    monkeypatch.setenv("SECONDS", seconds)
    result = suite.runpytest("--energy-compare=main")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines([says])


ROUNDS = """
import pytest

@pytest.mark.energy_budget(max="1 mJ")
def test_rounds(energy, work):
    energy(work, 1.0)
    if energy.round == 1:
        pytest.exit("enough", returncode=0)
"""


def test_one_that_leaves_before_the_round_that_judges_passes_nothing(
    suite: pytest.Pytester,  # noqa: F811
) -> None:
    suite.makepyfile(ROUNDS)
    result = suite.runpytest("--energy-rounds=3", "--energy-json=run.json")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    (error,) = json.loads(Path("run.json").read_text())["errors"]
    assert error == "the run was cut short: 1 of its 1 metered tests did not run to their end"


SKIPPED = """
import pytest

@pytest.mark.skip
@pytest.mark.energy_budget(max="1 mJ")
def test_skipped(work): ...

def test_leaves():
    pytest.exit("enough", returncode=0)
"""


@pytest.mark.parametrize(
    ("tests", "option"), [(SKIPPED, "--energy-pue=1.0"), (LEAVES, "--energy-disable")]
)
def test_one_that_leaves_with_no_test_to_judge_keeps_its_status(
    suite: pytest.Pytester,  # noqa: F811
    tests: str,
    option: str,
) -> None:
    suite.makepyfile(tests)
    assert suite.runpytest(option).ret == 0


def test_one_that_leaves_before_a_failed_test_has_ended_passes_nothing(
    suite: pytest.Pytester,  # noqa: F811
) -> None:
    suite.makepyfile(
        """
        import pytest

        @pytest.fixture(scope="module", autouse=True)
        def module():
            yield
            pytest.exit("enough", returncode=0)

        @pytest.mark.energy_budget(max="1 mJ")
        def test_it(work):
            work(1.0)
        """
    )
    assert suite.runpytest().ret == pytest.ExitCode.INTERRUPTED
