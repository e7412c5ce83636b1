"""Options, their ini twins, and what is said when one can't be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_energybench.session.config import EnergyConfig
from pytest_energybench.session.options import OPTIONS


def options(pytester: pytest.Pytester, *args: str) -> EnergyConfig:
    return EnergyConfig.of(pytester.parseconfigure(*args))


def test_defaults_write_nothing_and_assume_no_facility(pytester: pytest.Pytester) -> None:
    found = options(pytester)
    assert (found.report, found.json, found.disable) == (False, None, False)
    assert (found.pue, found.carbon_intensity, found.meters) == (1.0, None, "auto")


def test_every_option_has_an_ini_twin(pytester: pytest.Pytester) -> None:
    pytester.makeini(
        """
        [pytest]
        energy_report = true
        energy_report_dir = out
        energy_json = run.json
        energy_meters = estimate
        energy_allow_missing = gpu:0, dram:0
        energy_pue = 1.58
        energy_region = de
        energy_carbon_intensity = 320
        energy_carbon_source = here
        energy_embodied = 12
        energy_water = 1.8
        energy_hostname = true
        energy_idle = subtract
        energy_wait = 10 min
        energy_cooldown = 30 s
        energy_rounds = 5
        energy_budgets = limits.toml
        energy_strict_budgets = true
        energy_save = main
        energy_overwrite = true
        energy_history = true
        energy_storage = kept
        energy_compare = main
        energy_fail_on = more, missing
        energy_margin = 5 %
        energy_allow_mismatch = true
        energy_resume = true
        energy_shard = 3/8
        energy_ray = local
        energy_disable = true
        """
    )
    assert {option.dest for option in OPTIONS} == {
        f"energy_{name}" for name in EnergyConfig.__slots__
    }
    found = EnergyConfig.of(pytester.parseconfig())
    assert found == EnergyConfig(
        report=True,
        report_dir=pytester.path / "out",
        json=pytester.path / "run.json",
        meters="estimate",
        allow_missing=("gpu:0", "dram:0"),
        pue=1.58,
        region="DE",
        carbon_intensity=320.0,
        carbon_source="here",
        embodied=12.0,
        water=1.8,
        hostname=True,
        idle="subtract",
        wait=600.0,
        cooldown=30.0,
        rounds=5,
        budgets=pytester.path / "limits.toml",
        strict_budgets=True,
        save="main",
        overwrite=True,
        history=True,
        storage=pytester.path / "kept",
        compare="main",
        fail_on=frozenset({"more", "missing"}),
        margin=0.05,
        allow_mismatch=True,
        resume=True,
        shard=(3, 8),
        ray="local",
        disable=True,
    )


def test_options_are_parsed_once_and_anew_where_a_late_conftest_sets_one(
    pytester: pytest.Pytester,
) -> None:
    config = pytester.parseconfigure("--energy-pue=1.2")
    assert EnergyConfig.of(config) is EnergyConfig.of(config)
    config.option.energy_pue = 1.58
    assert EnergyConfig.of(config).pue == 1.58


def test_the_command_line_wins_over_the_ini_file(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nenergy_pue = 1.58\n")
    assert options(pytester, "--energy-pue=1.2").pue == 1.2


def test_paths_are_where_they_were_written(pytester: pytest.Pytester) -> None:
    """A path in the ini file is beside that file; one on the command line is where one stands."""
    pytester.makeini("[pytest]\nenergy_report_dir = out\n")
    below = pytester.mkdir("below")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(below)
        assert options(pytester).report_dir == pytester.path / "out"
        assert options(pytester, "--energy-report-dir=out").report_dir == Path(below) / "out"


def test_budgets_are_found_wherever_one_stands(pytester: pytest.Pytester) -> None:
    """`setup.py` makes the folder above the root, and there is no ini file."""
    (pytester.path / "setup.py").touch()
    budgets = pytester.path / "energy-budgets.toml"
    budgets.write_text('[budget."*"]\nmax_energy = "1 J"\n')
    below = pytester.mkdir("below")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(below)
        assert options(pytester).budgets == budgets
        (below / budgets.name).touch()
        assert options(pytester).budgets == below / budgets.name


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("--energy-pue=0.9", "--energy-pue=0.9: a PUE is a number of at least 1.0"),
        ("--energy-pue=nan", "--energy-pue=nan: a PUE is a number of at least 1.0"),
        (
            "--energy-pue=1e29",
            "--energy-pue=1e29: a PUE is a number of at least 1.0 *, at most 1,*",
        ),
        (
            "--energy-water=inf",
            "--energy-water=inf: water is in litres per kWh, 0 or more, at most",
        ),
        ("--energy-pue=x", "--energy-pue=x: could not convert"),
        ("--energy-carbon-intensity=-1", "--energy-carbon-intensity=-1: a carbon intensity"),
    ],
)
def test_a_value_that_cannot_be_read_is_a_usage_error(
    pytester: pytest.Pytester, argument: str, said: str
) -> None:
    pytester.makepyfile("def test_x(): pass")
    result = pytester.runpytest(argument)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {said}*"])


def test_a_wrong_ini_value_names_the_ini_option(pytester: pytest.Pytester) -> None:
    for value in ("energy_pue = green", "energy_report = maybe"):
        pytester.makeini(f"[pytest]\n{value}\n")
        result = pytester.runpytest()
        result.stderr.fnmatch_lines([f"ERROR: ini option {value.split()[0]}*"])


def test_no_option_takes_an_optional_value(pytester: pytest.Pytester) -> None:
    """A path after a flag stays a path."""
    pytester.makepyfile(test_here="def test_x(energy): pass")
    result = pytester.runpytest("--energy-report", "test_here.py")
    result.assert_outcomes(passed=1)


@pytest.mark.parametrize("here", ["", "api"])
def test_a_budgets_file_is_found_where_pytest_is_called_too(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, here: str
) -> None:
    """Of several projects in one folder each may have an ini file of its own."""
    (pytester.path / "api").mkdir()
    (pytester.path / "api/pytest.ini").write_text("[pytest]\n")
    (pytester.path / "api/test_it.py").write_text("def test_it(): pass\n")
    budgets = pytester.path / here / "energy-budgets.toml"
    budgets.write_text('[budget."test_it.py::test_gone"]\nmax_energy = "1 J"\n')
    monkeypatch.chdir(pytester.path / here)
    result = pytester.runpytest("--energy-strict-budgets", "api" if not here else ".")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
