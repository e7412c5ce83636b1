"""What a user reads who has made a mistake: their own line, one sentence, none of our source."""

from __future__ import annotations

from pathlib import Path

import pytest

import pytest_energybench
from pytest_energybench.gates.fail_on import KINDS, NOTHING
from pytest_energybench.session.options import OPTIONS

PACKAGE = Path(pytest_energybench.__file__).parent
SOURCE = {
    line.strip()
    for file in PACKAGE.rglob("*.py")
    for line in file.read_text("utf-8").splitlines()
    if len(line.strip()) > 12  # shorter ones are anybody's
}


def assert_none_of_ours(printed: str) -> None:
    """No line of the package, as pytest shows source: after four blanks, `>`, or a traceback's."""
    shown = {line.lstrip("> ").strip() for line in printed.splitlines()}
    assert not shown & SOURCE
    assert PACKAGE.name + "/" not in printed.replace("\\", "/")


SETUP = """
import pytest
from pytest_energybench import measure

def work():
    return sum(range(1000))

async def later():
    pass
"""

IN_A_TEST = {
    'energy.assert_below("40 wh")': "*did you mean 40 Wh?",
    'energy.assert_below("40 mj")': "*did you mean 40 mJ or 40 MJ?",
    'energy.assert_below("40 kWh/h")': "*kWh/h is power, an energy is e.g. 40 kWh",
    'energy.assert_below("40 W")': "*W is power, an energy is e.g. 40 Wh",
    'energy.assert_below("1 uJ")': "*did you mean 0.001 mJ?",
    'energy.assert_below("40")': "*it has no unit*",
    "energy.assert_below(None)": "*None is not an energy*",
    'energy.assert_below("1 J")': "*nothing was metered in this test*",
    "energy.assert_below_baseline(margin=3)": "*margin=3 would allow 300 % more*",
    "energy.assert_accuracy(97.1, baseline=0.9)": "*an accuracy is a fraction of 1: 0.971",
    "energy.assert_accuracy_within_baseline(max_drop=1)": "*one point is 0.01",
    "energy.record(accuracy=97.1)": "*an accuracy is a fraction of 1: 0.971",
    "energy.record(x=[1])": "*a metric is a number*not list",
    "energy.record(correct=5, total=3)": "*0 <= correct <= total*",
    "energy.record(correct=True, total=True)": "*a number of images*",
    "energy(work, rounds=0)": "*rounds=0*1 or more",
    "energy(3)": "*3 is no function*",
    "energy(later)": "*returned a coroutine*",
    "energy.compare(None, work)": "*None is no function*",
    "energy.compare(work, work, rounds=0)": "*rounds=0*1 or more",
    "energy.compare(work, work, rounds=2).assert_within(3)": "*margin=3 would allow 300 % more*",
    'with energy.measure("a"): energy(work)': "*inside the window 'a'*would count twice*",
    'with energy.measure("a"): energy.compare(work, work)': "*inside the window 'a'*count twice*",
    'with energy.measure("a"): energy.assert_below("1 J")': "*window 'a' is still open*",
    'energy.measure("a").__exit__(None, None, None)': "*was left but never entered",
    "energy.measure(meters=[3])": "*3 is no meter*",
    "measure(meters=[3])": "*3 is no meter*",
    "energy.include(3)": "*no attribute*",
    "energy.record_series('loss', [1, 2], x='epoch')": "*cannot unpack*",
}


def test_a_mistake_in_a_test_shows_the_line_and_one_sentence(suite: pytest.Pytester) -> None:
    tests = [f"def test_{n}(energy):\n    {line}\n" for n, line in enumerate(IN_A_TEST)]
    suite.makepyfile(SETUP + "\n".join(tests))
    result = suite.runpytest()
    result.assert_outcomes(failed=len(IN_A_TEST))
    wanted = []
    for number, (line, said) in enumerate(IN_A_TEST.items()):
        call = line.rpartition(": ")[2].partition("(")[0]
        wanted += [f"*_ test_{number} _*", f">*{call}*", f"E {said}"]
    result.stdout.fnmatch_lines(wanted)
    assert_none_of_ours(result.stdout.str() + result.stderr.str())


def test_an_assertion_after_a_window_that_was_never_entered_says_so(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        "def test_x(energy):\n    energy.measure('fit')\n    energy.assert_below('1 J')"
    )
    result = suite.runpytest()
    result.stdout.fnmatch_lines(["E *measure('fit') was never entered: write `with`"])
    assert_none_of_ours(result.stdout.str())


def test_what_a_metered_function_raises_shows_its_lines_and_none_of_ours(
    suite: pytest.Pytester,
) -> None:
    suite.makepyfile("def broken():\n    return 1 / 0\ndef test_x(energy):\n    energy(broken)")
    result = suite.runpytest()
    result.stdout.fnmatch_lines([">*energy(broken)", ">*return 1 / 0", "E *ZeroDivisionError*"])
    assert_none_of_ours(result.stdout.str())


def test_names_and_flags_of_any_type_become_text(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        "def test_x(energy):\n    with energy.measure(3):\n        pass\n    energy.flag(4)"
    )
    suite.runpytest().assert_outcomes(passed=1)


def test_energy_in_a_fixture_that_tests_share_points_to_energy_meter(
    suite: pytest.Pytester,
) -> None:
    suite.makepyfile(
        "import pytest\n@pytest.fixture(scope='module')\ndef fitted(energy): pass\n"
        "def test_x(fitted): pass"
    )
    result = suite.runpytest()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["ScopeMismatch*", "*ask for `energy_meter`*"])


MARKS = {
    'energy_budgets(max="3 J")': "*unknown marker energy_budgets: did you mean energy_budget?*",
    "energy_grp('a')": "*did you mean energy_group?*",
    "energy_limit(max=3)": "*there are energy_group, energy_baseline, energy_budget *",
    'energy_budget(max="40 wh")': "*did you mean 40 Wh?",
    "energy_budget(maximum=3)": "*takes max=*not maximum",
}


@pytest.mark.parametrize(("mark", "said"), MARKS.items(), ids=MARKS)
def test_a_mistake_in_a_marker_is_one_line_before_the_work(
    suite: pytest.Pytester, mark: str, said: str
) -> None:
    suite.makepyfile(f"import pytest\n@pytest.mark.{mark}\ndef test_x(): pass")
    result = suite.runpytest("-p", "no:warnings")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {said}"])
    assert_none_of_ours(result.stdout.str() + result.stderr.str())


def test_a_marker_of_a_projects_own_is_nobody_elses_business(suite: pytest.Pytester) -> None:
    suite.makeini("[pytest]\nmarkers =\n    energy_heavy: takes long\n")
    suite.makepyfile("import pytest\n@pytest.mark.energy_heavy\ndef test_x(): pass")
    suite.runpytest("--strict-markers").assert_outcomes(passed=1)


HOOKS = {
    "pytest_energy_meter(config): return 3": "pytest_energy_meter returned 3: a Meter, or None",
    "pytest_energy_sources(config): return 3": "pytest_energy_sources returned 3: a list of *",
    "pytest_energy_settings(config): return 3": "pytest_energy_settings returned 3: a dict *",
    "pytest_energy_attachments(): return [3]": "pytest_energy_attachments returned 3: a list *",
}


@pytest.mark.parametrize(("hook", "said"), HOOKS.items(), ids=HOOKS)
def test_a_hook_that_returns_something_else_is_named_in_one_line(
    pytester: pytest.Pytester, hook: str, said: str
) -> None:
    pytester.makeconftest(f"def {hook}")
    pytester.makepyfile("def test_x(energy):\n    with energy.measure(): pass")
    result = pytester.runpytest("--energy-report")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {said}"])
    assert_none_of_ours(result.stdout.str() + result.stderr.str())


def test_a_meter_that_is_not_there_is_one_plain_line_before_the_work(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENERGYBENCH_POWERCAP_ROOT", str(pytester.path / "nowhere"))
    pytester.makepyfile("def test_x(energy): print('it ran')")
    result = pytester.runpytest("--energy-meters=rapl", "-s")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --energy-meters=rapl: nothing can be metered *nowhere*"])
    result.stdout.no_fnmatch_line("*it ran*")
    assert_none_of_ours(result.stdout.str() + result.stderr.str())


def test_help_and_error_of_fail_on_name_the_same_words() -> None:
    (option,) = [option for option in OPTIONS if option.name == "fail-on"]
    listed = option.help.partition("a comma list of ")[2].partition(" (default")[0]
    assert listed.replace(" or", "").split(", ") == [*KINDS]
    assert option.help.endswith(f"or {NOTHING}")
