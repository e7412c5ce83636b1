"""Odd but real suites of strangers: nothing of ours breaks them, and they can use it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

UNITTEST = """
import unittest

import pytest

class Metered(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def take_energy(self, energy, work):
        self.energy, self.work = energy, work

    def setUp(self):
        self.rounds = 0

    def test_it(self):
        self.rounds += 1
        assert self.rounds == 1
        with self.energy.measure():
            self.work(1.0)

    @unittest.skip("no")
    def test_skipped(self):
        pass

    @unittest.expectedFailure
    def test_expected(self):
        with self.energy.measure():
            assert 0

    def test_subtests(self):
        for number in range(3):
            with self.subTest(number=number), self.energy.measure():
                self.work(1.0)

class Awaiting(unittest.IsolatedAsyncioTestCase):
    @pytest.fixture(autouse=True)
    def take_energy(self, energy, work):
        self.energy, self.work = energy, work

    async def test_async(self):
        with self.energy.measure():
            self.work(2.0)

@pytest.mark.energy_budget(max="1 J")
class Budgeted(unittest.TestCase):
    def test_budget(self):
        pass

class Plain(unittest.TestCase):
    def test_plain(self):
        pass
"""

XUNIT = """
import pytest

def setup_module(module):
    module.NUMBER = 1

def teardown_module(module):
    del module.NUMBER

class TestOld:
    seen = False

    @classmethod
    def setup_class(cls):
        cls.number = 1

    def setup_method(self, method):
        assert not self.seen
        self.seen = True

    def teardown_method(self, method):
        assert self.seen

    def test_old(self, energy, work):
        with energy.measure():
            work(NUMBER + self.number)

    def test_without(self):
        assert self.seen

@pytest.fixture(scope="class", params=["small", "large"])
def fitted(request, energy_meter):
    with energy_meter.measure(request.param) as window:
        if energy_meter.sources:
            energy_meter.clock.advance(1.0 if request.param == "small" else 3.0)
    return window

class TestFitted:
    @pytest.mark.parametrize("number", [1, 2])
    def test_includes(self, fitted, energy, number):
        energy.include(fitted)

    def test_looks(self, fitted):
        assert fitted.total_j > 0

@pytest.mark.usefixtures("energy")
def test_asks_and_meters_nothing():
    pass

def test_asks_late(request, work):
    with request.getfixturevalue("energy").measure():
        work(1.0)

@pytest.mark.xfail(strict=True, reason="known")
def test_known(energy):
    with energy.measure():
        assert 0

def test_leaves_its_folder(energy, work, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with energy.measure():
        work(1.0)
        print("x")
    assert capsys.readouterr().out == "x\\n"
"""

OVERRIDDEN = """
import pytest

@pytest.fixture
def energy():
    return "a star's"

def test_mine(energy):
    assert energy == "a star's"

@pytest.mark.energy_group("stars")
def test_in_a_group(energy):
    assert energy == "a star's"

@pytest.mark.energy_budget(max="1 J")
def test_with_a_budget():
    pass
"""

DOCTESTS = '''
def one():
    """
    >>> one()
    1
    """
    return 1
'''


@pytest.fixture
def strangers(suite: pytest.Pytester) -> pytest.Pytester:
    suite.makepyfile(
        test_unittest=UNITTEST, test_xunit=XUNIT, test_overridden=OVERRIDDEN, module=DOCTESTS
    )
    suite.maketxtfile(test_text=">>> getfixture('energy') is None\nFalse\n>>> 1 + 1\n2\n")
    return suite


WHOLE = {"passed": 21, "skipped": 1, "xfailed": 2}
DOCTEST = ("--doctest-modules", "--doctest-glob=*.txt", "-p", "no:cacheprovider")


@pytest.mark.parametrize(
    "options",
    [
        ("--energy-report",),
        pytest.param(("--import-mode=prepend",), marks=pytest.mark.slow),
        ("--import-mode=importlib", "--energy-report"),
        pytest.param(
            ("-p", "no:logging", "-p", "no:warnings", "-p", "no:junitxml", "--energy-report"),
            marks=pytest.mark.slow,
        ),
        ("--energy-disable",),
        ("-p", "xdist", "-n", "2", "--energy-report"),
    ],
    ids=" ".join,
)
def test_each_way_to_run_them(strangers: pytest.Pytester, options: tuple[str, ...]) -> None:
    if "--energy-disable" in options:
        options = (*options, "--deselect=test_xunit.py::TestFitted::test_looks")
    run = strangers.runpytest_subprocess if "-n" in options else strangers.runpytest
    result = run(*DOCTEST, *options)
    found = result.parseoutcomes()
    missing = 2 if "--energy-disable" in options else 0
    assert {name: found.get(name, 0) for name in (*WHOLE, "failed", "error", "errors")} == {
        **WHOLE,
        "passed": WHOLE["passed"] - missing,
        "failed": 0,
        "error": 0,
        "errors": 0,
    }
    if "--energy-report" in options:
        cases = json.loads(Path("reports/energy.json").read_text())["cases"]
        assert {case["name"]: case["total_j"] for case in cases if case["total_j"]} == {
            "test_it": 12.0,
            "test_subtests": 36.0,
            "test_async": 24.0,
            "test_old": 24.0,
            "test_includes[small-1]": 12.0,
            "test_includes[small-2]": 12.0,
            "test_includes[large-1]": 36.0,
            "test_includes[large-2]": 36.0,
            "test_asks_late": 12.0,
            "test_leaves_its_folder": 12.0,
        }


def test_each_round_has_an_instance_of_its_own(strangers: pytest.Pytester) -> None:
    """State that a method leaves on its object is gone in the next round, as in the next test."""
    result = strangers.runpytest(
        *("-p", "no:cacheprovider", "--energy-rounds=3", "--energy-report"),
        *("-k", "test_it or test_async or test_old", "test_unittest.py", "test_xunit.py"),
    )
    result.assert_outcomes(passed=3, deselected=16)
    cases = json.loads(Path("reports/energy.json").read_text())["cases"]
    assert {case["name"]: len(case["rounds"]) for case in cases} == {
        "test_it": 3,
        "test_async": 3,
        "test_old": 3,
    }


def test_collecting_alone_meters_and_writes_nothing(strangers: pytest.Pytester) -> None:
    for options in (("--collect-only",), ("--fixtures",), ("--markers",)):
        result = strangers.runpytest(
            *("-p", "no:cacheprovider", "--energy-save=main", "--energy-json=run.json", *options)
        )
        assert result.ret == 0
        assert not Path(".energy").exists(), options


def test_without_a_terminal_the_files_are_written(suite: pytest.Pytester) -> None:
    suite.makepyfile("def test_a(energy, work):\n    with energy.measure(): work(1.0)")
    result = suite.runpytest_subprocess(
        "-p", "no:terminal", "-p", "no:cacheprovider", "--energy-report", "-o", "addopts="
    )
    assert result.ret == 0
    assert result.outlines == []
    assert sorted(path.name for path in Path("reports").iterdir()) == [
        "energy.html",
        "energy.json",
    ]


def test_a_fixture_or_a_parameter_of_that_name_is_not_ours(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        test_own="""
        import pytest

        @pytest.fixture
        def energy():
            return 13.6

        def test_own(energy):
            assert energy == 13.6

        @pytest.mark.parametrize("energy", [1.0, 2.0])
        def test_parameter(energy):
            assert energy >= 1.0

        @pytest.mark.energy_budget(max="1 J")
        def test_own_with_a_budget(energy, work):
            work(1.0)
        """,
        test_over="""
        import pytest

        @pytest.fixture
        def energy(energy, work):
            with energy.measure():
                work(1.0)
            return energy

        def test_over(energy):
            energy.assert_below("12 J")
        """,
    )
    result = suite.runpytest("--energy-rounds=2", "--energy-json=run.json")
    result.assert_outcomes(passed=4, failed=1)
    cases = json.loads(Path("run.json").read_text())["cases"]
    assert [(case["name"], case["total_j"]) for case in cases] == [
        ("test_over", 12.0),
        ("test_own_with_a_budget", 12.0),
    ]


RECIPES = """
class Recipe(pytest.File):
    def collect(self):
        for seconds in map(float, self.path.read_text().split()):
            item = Step.from_parent(self, name="step", seconds=seconds)
            item.add_marker(pytest.mark.energy_budget(max="20 J"))
            yield item

class Step(pytest.Item):
    def __init__(self, *, seconds, **named):
        super().__init__(**named)
        self.seconds = seconds

    def runtest(self):
        METER.clock.advance(self.seconds)

def pytest_collect_file(file_path, parent):
    if file_path.suffix == ".recipe":
        return Recipe.from_parent(parent, path=file_path)
"""


def test_tests_that_share_a_name_alone_do_not_hide_each_others_joules(
    suite: pytest.Pytester,
) -> None:
    conftest = Path("conftest.py")
    conftest.write_text(conftest.read_text() + RECIPES)
    Path("a.recipe").write_text("1.0 1.0 5.0")
    result = suite.runpytest()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: two metered tests are called a.recipe::step, so their *"])
    Path("a.recipe").write_text("1.0")
    assert suite.runpytest("--energy-rounds=2").ret == 0
    test = suite.makepyfile("def test_x(energy, work): energy(work, 1.0)").name
    assert suite.runpytest(f"{test}::test_x", f"{test}::test_x").ret == 0


def test_each_round_of_a_doctest_has_its_names(suite: pytest.Pytester) -> None:
    conftest = Path("conftest.py")
    conftest.write_text(
        conftest.read_text()
        + """
@pytest.fixture(autouse=True)
def before(energy):
    energy(METER.clock.advance, 1.0)

def pytest_collection_modifyitems(items):
    for item in items:
        item.add_marker(pytest.mark.energy_budget(max="1 kJ"))
"""
    )
    suite.makepyfile(module=DOCTESTS)
    result = suite.runpytest("--doctest-modules", "--energy-rounds=3", "--energy-json=run.json")
    assert result.ret == 0
    (case,) = json.loads(Path("run.json").read_text())["cases"]
    assert len(case["rounds"]) == 3


def test_what_a_fixture_skips_at_its_end_was_judged(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        import pytest

        @pytest.fixture
        def late(energy, work):
            yield
            energy(work, 10.0)
            pytest.skip("nothing to clean up")

        @pytest.mark.energy_budget(max="20 J")
        @pytest.mark.parametrize("seconds", [0.0, 1.0])
        def test_it(late, energy, work, seconds):
            energy(work, seconds, iterations=1)
        """
    )
    suite.runpytest().assert_outcomes(passed=2, errors=2)
    test = next(suite.path.glob("test_*.py"))
    test.write_text(test.read_text().replace("10.0", "0.1"))
    result = suite.runpytest("--energy-json=run.json")
    result.assert_outcomes(passed=2, skipped=2)
    assert result.ret == 0
    cases = json.loads(Path("run.json").read_text())["cases"]
    assert {case["outcome"] for case in cases} == {"passed"}
