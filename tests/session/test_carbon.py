"""Emissions of a session: by region, by a hook, by hand; what making and cooling took."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest

from pytest_energybench.session import carbon
from pytest_energybench.session.carbon import of_region, parse_region
from pytest_energybench.session.options import OPTIONS

TEST = """
def test_it(energy, work):
    with energy.measure():
        work(3600.0)
"""
"""3600 s at the fake meter's 12 W: 43.2 kJ, 0.012 kWh."""


def settings(suite: pytest.Pytester, *args: str) -> dict[str, object]:
    suite.makepyfile(TEST)
    assert suite.runpytest("--energy-json=run.json", *args).ret == 0
    return dict(json.loads(Path("run.json").read_text())["settings"])


def test_each_row_of_the_table_has_an_intensity_of_a_year_and_a_named_source() -> None:
    file = Path(carbon.__file__).with_name("carbon_intensity.csv")
    text = file.read_text("utf-8")
    rows = list(csv.DictReader(line for line in text.splitlines() if line[0] != "#"))
    assert len({row["region"].lower() for row in rows}) == len(rows) > 350
    for row in rows:
        assert re.fullmatch(r"[A-Z]{2}|US-[A-Z]{2}|(aws|azure|gcp):[a-z0-9-]+", row["region"])
        found = of_region(parse_region(row["region"]))
        assert 0 <= found.g_per_kwh < 1400
        year, source = re.fullmatch(r".* (20\d\d), (.+)", str(found.source)).groups()  # type: ignore[union-attr]
        assert int(year) >= 2022
        assert f"# {source}: " in text
        assert bool(row["grid"]) == row["region"].startswith(("aws:", "azure:"))


def test_a_region_is_known_by_its_code_in_any_case() -> None:
    assert of_region(parse_region("de")).source == "DE 2024, Ember"
    assert of_region("aws:eu-central-1") == carbon.Intensity(
        of_region("DE").g_per_kwh, "aws:eu-central-1 in DE 2024, Ember"
    )


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("Germany", "DE (Germany)"),
        ("calfornia", "US-CA (California)"),
        ("eu-central-1", "aws:eu-central-1 (Frankfurt)"),
        ("gcp:us-east-1", "gcp:us-east1 (South Carolina)"),
        ("US-XX", "US-"),
        ("?", None),
    ],
)
def test_an_unknown_region_is_refused_with_the_likeliest(text: str, meant: str | None) -> None:
    with pytest.raises(ValueError, match=r"a country \(DE\), a state \(US-CA\)") as refused:
        parse_region(text)
    said = str(refused.value)
    assert (f"did you mean {meant}" in said) if meant else ("did you mean" not in said)


def test_and_the_session_ends_in_one_line(suite: pytest.Pytester) -> None:
    suite.makepyfile(TEST)
    result = suite.runpytest("--energy-region=Germany\x1b[2J")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = [line for line in result.stderr.lines if "--energy-region=" in line]
    assert line.endswith("did you mean DE (Germany)?")
    assert "\x1b" not in line


def test_the_run_file_has_the_intensity_and_its_source_and_reports_derive_the_rest(
    suite: pytest.Pytester,
) -> None:
    suite.makepyfile(TEST)
    result = suite.runpytest(
        "--energy-region=DE", "--energy-pue=1.5", "--energy-embodied=40", "--energy-water=2",
        "--energy-report", "-v",
    )  # fmt: skip
    kept = json.loads(Path("reports/energy.json").read_text())["settings"]
    assert kept["carbon_intensity"] == 342.06
    assert kept["carbon_intensity_source"] == "DE 2024, Ember"
    printed = " ".join(result.stdout.str().split())
    # 0.018 kWh x 342.06 g, 40 g in an hour, 0.012 kWh x 2 l
    assert "emissions" in printed
    assert "~6.2 g" in printed
    assert "342.1 g CO₂e/kWh (DE 2024, Ember), estimated" in printed
    assert "~40 g CO₂e of making the machine, estimated at 40 g/h" in printed
    assert "~24 ml of water, estimated at 2 l/kWh" in printed
    assert "~6.2 g" in Path("reports/energy.html").read_text()


def test_nothing_is_said_of_emissions_unless_they_are_asked_for(suite: pytest.Pytester) -> None:
    suite.makepyfile(TEST)
    said = suite.runpytest("--energy-json=run.json", "-v").stdout.str().partition("= energy =")[2]
    kept = json.loads(Path("run.json").read_text())["settings"]
    assert kept["carbon_intensity"] is None
    assert not {"embodied_g_per_h", "water_l_per_kwh"} & kept.keys()
    assert not re.search("CO₂e|water|emissions  ", said)


def hook(returned: str) -> None:
    line = f"\ndef pytest_energy_carbon_intensity(config):\n    return {returned}\n"
    path = Path("conftest.py")
    path.write_text(path.read_text().partition("\ndef pytest_energy_carbon")[0] + line)


def test_a_hook_tells_the_intensity_now_a_given_one_comes_first_a_region_last(
    suite: pytest.Pytester,
) -> None:
    hook("251")
    live = settings(suite, "--energy-region=DE")
    assert live["carbon_intensity"] == 251.0
    assert re.fullmatch(
        r"DE \d{4}-\d\d-\d\d \d\d:\d\d UTC, live", str(live["carbon_intensity_source"])
    )
    assert settings(suite, "--energy-carbon-intensity=7")["carbon_intensity"] == 7.0
    hook("None")
    assert settings(suite, "--energy-region=DE")["carbon_intensity"] == 342.06
    assert settings(suite)["carbon_intensity"] is None


@pytest.mark.parametrize("returned", ["float('nan')", "'251'", "1e40", "10**400", "10**5000"])
def test_a_hook_that_returns_no_intensity_is_refused(suite: pytest.Pytester, returned: str) -> None:
    hook(returned)
    suite.makepyfile(TEST)
    result = suite.runpytest("--energy-json=run.json")
    assert result.ret != 0
    said = result.stdout.str() + result.stderr.str()
    assert "pytest_energy_carbon_intensity returned" in said
    assert "INTERNALERROR" not in said


@pytest.mark.parametrize("name", ["embodied", "water"])
@pytest.mark.parametrize("text", ["-1", "nan", "inf", "x"])
def test_constants_are_numbers_of_0_or_more(name: str, text: str) -> None:
    (option,) = [option for option in OPTIONS if option.name == name]
    with pytest.raises(ValueError):
        option.parse(text)
