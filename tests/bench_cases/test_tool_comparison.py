"""The comparison with other tools: its probe, its known joules, its table and page."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import pytest

from bench_cases.tool_comparison.counters import RANGE_UJ, Replay, make_tree
from bench_cases.tool_comparison.environments import Environment, InstallError
from bench_cases.tool_comparison.page import FULL_S, main, page
from bench_cases.tool_comparison.table import Row, Table
from bench_cases.tool_comparison.tools import OURS, TOOLS, Probe, figure, median, started
from tests.bench_cases.conftest import ROOT, Run


def table(*rows: Row, seconds: float = FULL_S) -> Table:
    return Table(
        created="2026-01-02 03:04 UTC",
        cpu="Some CPU",
        cores=2,
        python="Python 3.11.7",
        seconds=seconds,
        busy_cores=0.1,
        versions={OURS: "0.1.0", "zeus": "1.0", "pyJoules": "2.0"},
        rows=list(rows),
    )


class TestKnownJoules:
    def test_what_is_spent_is_what_the_counters_have_gone_on_by(self, tmp_path: Path) -> None:
        root = make_tree(tmp_path, packages=1)
        before = counters(root)
        replay = Replay(root)
        replay.spend(1_000)
        assert replay.spent_uj == counters(root) - before > 0

    def test_a_counter_wraps_to_zero(self, tmp_path: Path) -> None:
        root = make_tree(tmp_path, packages=1, dram=False)
        replay = Replay(root)
        replay.wrap_soon(1)
        replay.spend(1_000)
        assert counters(root) == RANGE_UJ - 1 + replay.spent_uj - RANGE_UJ

    def test_ours_finds_them_in_a_process_of_its_own(self, tmp_path: Path) -> None:
        asked: tuple[Probe, ...] = ("error", "wrapped")
        running = {}
        for what in asked:  # side by side: most of a probe's time is a sleep
            folder = tmp_path / what
            tree = make_tree(folder / "tree")
            running[what] = started("energybench", sys.executable, what, 0.3, folder, tree=tree)
        for what, process in running.items():
            found = figure(process)
            assert isinstance(found, float), (what, found)
            assert abs(found) < 1e-6, what


def counters(root: Path) -> int:
    """All of them together, in microjoules."""
    return sum(int(path.read_text()) for path in (root / "intel-rapl").rglob("energy_uj"))


def test_a_tool_that_fails_is_quoted(tmp_path: Path) -> None:
    process = started("no_such_tool", sys.executable, "first", 0, tmp_path)
    found = figure(process)
    assert isinstance(found, str)
    assert found.startswith("FileNotFoundError: ")
    assert median([1.0, found, 2.0]) == found


def test_a_requirement_that_pip_refuses_is_told_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(InstallError, match=r"^ERROR: Invalid requirement") as caught:
        Environment.made(tmp_path / "env", str(tmp_path / "no-such-folder"))
    assert "\n" not in str(caught.value)


class TestThePage:
    def test_it_quotes_failures_and_dashes_what_is_not_done(self, tmp_path: Path) -> None:
        found: dict[str, float | str] = {OURS: 21.64, "zeus": "NoCounterError: none here"}
        table(Row("window", "µs", 3, found)).write(tmp_path / "peers.json")
        main(tmp_path / "peers.json", tmp_path / "peers.md")
        text = (tmp_path / "peers.md").read_text()
        assert "| window | µs | 3 | 21.6 | fails | – |" in text
        assert "- zeus: `NoCounterError: none here` (window)" in text

    def test_a_short_run_is_a_trial_and_says_so(self) -> None:
        assert "A trial" in page(table(seconds=2.0))
        assert "A trial" not in page(table())

    def test_the_page_in_docs_is_made_by_it(self) -> None:
        """All but the figures: whoever changes the text makes the page anew."""
        written = (ROOT / "docs" / "peers.md").read_text("utf-8")
        fixed = page(table()).partition("## How to read it")[2]
        assert written.endswith(fixed)

    def test_it_says_of_each_thing_that_others_have_where_it_is_here(self) -> None:
        _, _, last = page(table()).partition("## What others have")
        here = [row.split("|")[2] for row in last.splitlines() if row.startswith("| ")]
        linked = re.findall(r"\(how-to/([\w-]+)\.md\)", " ".join(here))
        assert sorted(linked) == [
            "comment-on-pull-requests",
            "energy-per-token",
            "estimate-emissions",
            "export-to-other-tools",
            "meter-any-command",
            "steady-the-machine",
            "watch-energy-over-time",
        ]


def test_the_extra_names_the_peers_of_the_table() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extra = {re.split(r"\W{2}|>", each)[0] for each in project["optional-dependencies"]["peers"]}
    assert extra == {tool.name for tool in TOOLS} - {OURS}


def test_the_comparison_is_not_run_unasked(run_pytest: Run) -> None:
    done = run_pytest("bench_cases", "-k", "peers", "--collect-only", "-q")
    assert done.ret == pytest.ExitCode.NO_TESTS_COLLECTED, done.stdout.str()
