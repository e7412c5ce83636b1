"""Budgets that passed without being judged."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.field.suites import cases, locks_of_its_own, only_this_plugin, suite  # noqa: F401


def test_each_model_of_a_parametrized_test_is_held_to_its_budget(
    pytester: pytest.Pytester,
) -> None:
    """On the meters of this machine: the work is far above the limit on any."""
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.energy_budget(max="0.000001 mJ")
        @pytest.mark.parametrize("model", ["alexnet", "resnet", "vgg"])
        def test_inference(model):
            sum(i * i for i in range(300_000))
        """
    )
    result = pytester.runpytest("--energy-json=run.json")
    result.assert_outcomes(failed=3)
    assert all(case["comparisons"] for case in cases("run.json").values())


@pytest.mark.parametrize("strict", [(), ("--energy-strict-budgets",)])
def test_a_budget_for_every_test_fails_those_that_meter_nothing(
    suite: pytest.Pytester,  # noqa: F811
    strict: tuple[str, ...],
) -> None:
    Path("energy-budgets.toml").write_text(
        '[budget."*"]\nmax_energy = "1 mJ"\nmin_accuracy = 0.99\n'
    )
    suite.makepyfile(
        """
        def test_no_window(energy):
            sum(range(1000))

        def test_record_only(energy):
            energy.record(correct=1, total=2)
        """
    )
    result = suite.runpytest("--energy-json=run.json", *strict)
    result.assert_outcomes(failed=2)
    accuracy = [
        each["finding"]
        for each in cases("run.json")["test_record_only"]["comparisons"]
        if each["quantity"] == "accuracy"
    ]
    assert accuracy == ["lost"]


LATE = """
import pytest

LIMIT = pytest.mark.energy_budget(max="1 mJ")

@pytest.fixture
def limited(request):
    request.applymarker(LIMIT)

def test_by_a_fixture(limited, work):
    work(1.0)

def test_by_itself(request, work):
    work(1.0)
    request.node.add_marker(LIMIT)

def test_with_the_fixture_energy(limited, energy, work):
    with energy.measure():
        work(1.0)

def test_without(work):
    work(1.0)
"""


@pytest.mark.parametrize("beside", ["", "def test_metered(energy):\n    energy(int)\n"])
def test_a_budget_added_while_its_test_runs_is_judged_or_fails(
    suite: pytest.Pytester,  # noqa: F811
    beside: str,
) -> None:
    suite.makepyfile(LATE + beside)
    run = suite.runpytest_subprocess()
    run.assert_outcomes(failed=3, passed=2 if beside else 1)
    run.stdout.fnmatch_lines(
        ["the energy_budget of this test was added after its collection, so its energy was not*"]
    )
    assert "12 J" in run.stdout.str() or "12.0 J" in run.stdout.str()
    suite.runpytest_subprocess("--energy-disable").assert_outcomes(passed=5 if beside else 4)
    suite.makeini("[pytest]\nenergy_disable = false\n")
    suite.runpytest_subprocess().assert_outcomes(failed=3, passed=2 if beside else 1)


@pytest.mark.parametrize(
    "adds",
    [
        "def pytest_collection_modifyitems(items):\n    for item in items:",
        "def pytest_itemcollected(item):\n    if 1:",
    ],
)
def test_a_budget_among_an_items_own_marks_is_judged(suite: pytest.Pytester, adds: str) -> None:  # noqa: F811
    """pytest's own `-m`, skip and xfail look there; a keyword comes with `add_marker` only."""
    conftest = Path("conftest.py")
    mark = 'pytest.mark.energy_budget(max="1 mJ").mark'
    conftest.write_text(
        f"{conftest.read_text()}\n{adds}\n        item.own_markers.append({mark})\n"
    )
    suite.makepyfile("def test_it(work):\n    work(1.0)")
    result = suite.runpytest()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["energy 12.0 J (measured) is above the budget of 1.00 mJ*"])


def test_a_limit_of_the_class_holds_beside_one_of_the_test(
    suite: pytest.Pytester,  # noqa: F811
) -> None:
    suite.makepyfile(
        """
        import pytest

        @pytest.mark.energy_budget(max="1 J", max_accuracy_drop=0.5)
        @pytest.mark.energy_group("net")
        class TestNet:
            @pytest.mark.energy_baseline
            @pytest.mark.energy_budget(max="1 kJ")
            def test_plain(self, energy, work):
                energy.record(accuracy=0.9)
                energy(work, 10.0, iterations=1)

            @pytest.mark.energy_budget(max_accuracy_drop=0.01)
            def test_pruned(self, energy, work):
                energy.record(accuracy=0.9)
                energy(work, 10.0, iterations=1)

            @pytest.mark.energy_budget(max="1 kJ")
            @pytest.mark.energy_budget(max_accuracy_drop=0.01)
            def test_amp(self, energy, work):
                energy.record(accuracy=0.8)
                energy(work, 1.0, iterations=1)
        """
    )
    run = suite.runpytest_subprocess("-rf", "--energy-json=run.json")
    run.assert_outcomes(passed=1, failed=2)
    judged = {
        name: {
            each["quantity"]: each["judged"]["reason"]
            for each in case["comparisons"]
            if each["judged"]
        }
        for name, case in cases("run.json").items()
    }
    assert judged["test_pruned"]["energy"] == "over budget"
    assert judged["test_amp"] == {"energy": "", "accuracy": "accuracy lost"}


def test_a_budget_in_the_file_for_a_test_that_is_not_metered_is_told(
    suite: pytest.Pytester,  # noqa: F811
) -> None:
    Path("energy-budgets.toml").write_text('[budget."*::test_plain"]\nmax_energy = "1 mJ"\n')
    suite.makepyfile(
        """
        def test_plain():
            pass

        def test_metered(energy):
            with energy.measure():
                sum(range(10_000))
        """
    )
    line = "*energy-budgets.toml: budget '[*]::test_plain' matches no case"
    result = suite.runpytest("--energy-meters=estimate")
    result.stdout.fnmatch_lines([line])
    strict = suite.runpytest("--energy-meters=estimate", "--energy-strict-budgets")
    strict.stdout.fnmatch_lines([line])
    assert strict.ret == 1
