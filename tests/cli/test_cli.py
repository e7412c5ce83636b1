"""The command line, on run files that real runs have written."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from pytest_energybench.cli.main import main
from tests.session.suites import GROUPS

SUITE = (
    GROUPS
    + """
CASES = [case(group, method) for group in "AB" for method in ("plain", "pruned")]

@pytest.mark.parametrize(("group", "method"), CASES)
def test_it(energy, work, group, method):
    import conftest
    with energy.measure():
        work((10.0 if method == "plain" else 5.0) * conftest.FACTOR)
    energy.assert_below_baseline()
"""
)


@pytest.fixture(scope="module")
def written() -> dict[str, bytes]:
    """The run files of the suite, once a test has made them."""
    return {}


@pytest.fixture
def run(suite: pytest.Pytester, written: dict[str, bytes]) -> None:
    """`base.json`, `more.json` (a fifth more energy), and `1.json` and `2.json`, its shards."""
    suite.makepyfile(test_it=SUITE)
    conftest = Path("conftest.py").read_text()
    Path("conftest.py").write_text(f"{conftest}\nFACTOR = 1.0\n")
    for name, content in written.items():
        Path(name).write_bytes(content)
    if written:
        return
    for name, factor, args in (
        ("more", 1.25, []),
        ("base", 1.0, []),
        ("1", 1.0, ["--energy-shard=1/2"]),
        ("2", 1.0, ["--energy-shard=2/2"]),
    ):
        Path("conftest.py").write_text(f"{conftest}\nFACTOR = {factor}\n")
        result = suite.runpytest("-p", "no:cacheprovider", f"--energy-json={name}.json", *args)
        assert result.ret == 0
    written |= {path.name: path.read_bytes() for path in Path().glob("*.json")}


@pytest.mark.usefixtures("run")
class TestCommands:
    def test_export_writes_each_format_or_says_why_not(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        nodeid = "test_it.py::test_it[A-plain]"
        for name in ("github-benchmark", "bencher", "openmetrics", "csv"):
            assert main(["export", "base.json", f"--format={name}"]) == 0
            assert nodeid in capsys.readouterr().out
        boamps = ["export", "base.json", "--format=boamps"]
        assert main(boamps) == 4
        assert "4 cases: choose one with --case" in capsys.readouterr().err
        assert main([*boamps, "--case=no"]) == 4
        assert "--case: base.json has no case no" in capsys.readouterr().err
        assert main([*boamps, f"--case={nodeid}", "-o", "out/b.json"]) == 0
        (measure,) = json.loads(Path("out/b.json").read_text())["measures"]
        assert measure["powerConsumption"] == pytest.approx(120.0 / 3.6e6)

    def test_compare_shows_runs_side_by_side(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["compare", "./base.json", "./more.json"]) == 0
        out = capsys.readouterr().out
        assert "test_it[A-plain]" in out
        assert "120 J" in out
        assert "+25.0 % higher" in out

    def test_compare_is_a_gate_where_asked(self) -> None:
        assert main(["compare", "base.json", "more.json", "--fail-on=more"]) == 1
        assert main(["compare", "more.json", "base.json", "--fail-on=more"]) == 0
        gate = ["compare", "base.json", "more.json", "--fail-on=more", "--margin=30 %"]
        assert main(gate) == 0

    def test_compare_fails_where_no_case_is_held_against_any(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        run = json.loads(Path("base.json").read_text())
        Path("none.json").write_text(json.dumps(run | {"cases": []}))
        for case in run["cases"]:
            case["nodeid"] = f"moved/{case['nodeid']}"
        Path("moved.json").write_text(json.dumps(run))
        for other in ("none", "moved"):
            gate = ["compare", "base.json", f"{other}.json"]
            assert main([*gate, "--fail-on=more,not-measured"]) == 1
            assert f"{other}.json: no case was held against base.json" in capsys.readouterr().out
            assert main([*gate, "--fail-on=more"]) == 0
            assert f"{other}.json: no case was held against base.json" in capsys.readouterr().out
        assert main(["compare", "base.json", "more.json", "--fail-on=not-measured"]) == 0
        assert "no case was held" not in capsys.readouterr().out

    def test_compare_tells_that_a_run_is_of_a_part_only_and_fails_where_asked(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        cut = "the run was cut short: 3 of its 4 metered tests did not run to their end"
        run = json.loads(Path("base.json").read_text())
        run |= {"failures": [cut, "test_gone: missing from main"], "errors": [cut]}
        Path("part.json").write_text(json.dumps(run | {"cases": run["cases"][:1]}))
        for runs, status in ((["base.json", "part.json"], 1), (["part.json", "base.json"], 0)):
            assert main(["compare", *runs, "--fail-on=more,not-measured"]) == status
            assert f"part.json: {cut}" in capsys.readouterr().out
            assert main(["compare", *runs, "--fail-on=more"]) == 0
            told = capsys.readouterr().out
            assert f"part.json: {cut}" in told
            assert "missing from main" not in told

    def test_compare_speaks_csv_and_markdown(self, capsys: pytest.CaptureFixture[str]) -> None:
        main(["compare", "base.json", "more.json", "--format=csv"])
        header, first, *_ = capsys.readouterr().out.splitlines()
        assert header.split(",")[:2] == ["nodeid", "base.json:energy_j"]
        assert first.split(",")[1] == "120.0"
        gate = ["compare", "base.json", "more.json", "--format=csv", "--fail-on=more"]
        assert main(gate) == 1
        told = capsys.readouterr()
        assert "more than base" not in told.out
        assert "more than base" in told.err
        main(["compare", "base.json", "more.json", "--format=markdown"])
        assert capsys.readouterr().out.startswith("| case")

    def test_merged_shards_are_the_whole(self) -> None:
        assert main(["merge", "1.json", "2.json", "-o", "whole.json"]) == 0
        whole, base = (json.loads(Path(name).read_text()) for name in ("whole.json", "base.json"))
        assert {case["nodeid"]: case["total_j"] for case in whole["cases"]} == {
            case["nodeid"]: case["total_j"] for case in base["cases"]
        }
        assert all(case["result"] for case in whole["cases"] if not case["baseline"])

    def test_a_budget_that_the_merged_run_does_not_keep_fails_and_is_told(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for limit, status in (("1 kJ", 0), ("100 J", 1)):
            Path("b.toml").write_text(f'[budget."*plain*"]\nmax_energy = "{limit}"\n')
            merge = ["merge", "1.json", "2.json", "-o", "whole.json", "--overwrite"]
            assert main([*merge, "--budgets=b.toml"]) == status
            told = capsys.readouterr().out
            line = "test_it.py::test_it[A-plain]: over budget: energy 120 J (measured) is above"
            assert (line in told) == bool(status)
            assert "whole.json: 4 cases of 2 runs" in told

    def test_what_failed_in_a_shard_fails_there_and_not_again(self) -> None:
        shard = json.loads(Path("1.json").read_text())
        shard["cases"][0] |= {"outcome": "failed", "result": {"kind": "fail", "reason": "odd"}}
        Path("1.json").write_text(json.dumps(shard))
        assert main(["merge", "1.json", "2.json", "-o", "whole.json"]) == 0

    def test_a_missing_shard_is_told_and_the_rest_written(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["merge", "1.json", "-o", "whole.json"]) == 1
        assert "shard 2/2 is missing" in capsys.readouterr().out
        assert Path("whole.json").exists()

    def test_merge_does_not_overwrite_unasked(self, capsys: pytest.CaptureFixture[str]) -> None:
        before = Path("base.json").read_bytes()
        assert main(["merge", "1.json", "2.json", "-o", "base.json"]) == 4
        assert Path("base.json").read_bytes() == before
        assert "base.json" in capsys.readouterr().err

    @pytest.mark.parametrize("ending", ["html", "md", "csv"])
    def test_report_makes_what_the_ending_says(self, ending: str) -> None:
        output = f"out/page.{ending}"
        assert main(["report", "more.json", "--compare=base.json", "-o", output]) == 0
        text = Path(output).read_text()
        assert "more than base.json" in text.replace("\\", "")
        assert text.startswith("<!doctype html>") == (ending == "html")

    def test_null_shows_the_noise_of_a_case_against_itself(
        self, capfd: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["null", "--rounds=2", "--", "test_it.py", "-k", "A", "-q"]) == 0
        out = capfd.readouterr().out
        assert "A against A" in out
        table = out[out.index("A against A") :].splitlines()
        row = next(line.split() for line in table if line.startswith("test_it[A-plain]"))
        assert row[1:4] == ["2", "0.0", "%"]

    def test_null_keeps_the_floor_and_a_gate_tells_of_a_margin_below_it(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["null", "--rounds=2", "--", "test_it.py", "-k", "A", "-q"]) == 0
        assert "kept in .energy/_noise.json" in capsys.readouterr().out
        kept = Path(".energy/_noise.json")
        kept.write_text(re.sub(r'"floor": [^,]+', '"floor": 0.9', kept.read_text()))
        told = "margin 3 % is below this machine's noise floor of 90 % (energybench null)"
        assert main(["compare", "base.json", "more.json"]) == 0
        assert told in capsys.readouterr().out
        assert main(["compare", "base.json", "more.json", "--margin=95 %"]) == 0
        assert told not in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ["report", "nowhere.json", "-o", "x.html"],
        ["report", "broken.json", "-o", "x.html"],
        ["report", "broken.json", "-o", "x.pdf"],
        ["compare", "broken.json"],
        ["compare", "nowhere", "broken.json"],
        ["compare", "broken.json", "broken.json", "--fail-on=sloth"],
        ["compare", "broken.json", "broken.json", "--margin=3"],
        ["merge", "broken.json", "-o", "x.json"],
        ["merge", "broken.json", "-o", "x.json", "--budgets=nowhere.toml"],
        ["null", "--rounds=1", "--", "x"],
    ],
)
def test_bad_input_is_one_line_exit_status_4_and_nothing_written(
    pytester: pytest.Pytester, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    Path("broken.json").write_text('{"schema_version": 2, "cases": [{"nodeid": 3}]}')
    before = set(pytester.path.iterdir())
    assert main(arguments) == 4
    said = capsys.readouterr().err
    assert said.startswith(f"energybench {arguments[0]}: ")
    assert len(said.splitlines()) == 1
    assert set(pytester.path.iterdir()) == before


def test_doctor_is_healthy_where_everything_is_estimated_at_least(
    capsys: pytest.CaptureFixture[str],
) -> None:
    status = main(["doctor", "--quick", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert status == found["exit_status"] == 0
    assert {domain["provenance"] for domain in found["domains"]}


@pytest.mark.parametrize(
    "args", [[], ["no"], ["run", "--runs", "3"], ["export", "a", "--format=b"], ["history", "-x"]]
)
def test_a_word_that_is_none_ends_with_the_status_of_input_that_cant_be_used(
    capsys: pytest.CaptureFixture[str], args: list[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(args)
    assert end.value.code == 4
    assert capsys.readouterr().err.splitlines()[-1].startswith("energybench")
