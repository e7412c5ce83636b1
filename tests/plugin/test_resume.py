"""A run that is cut short goes on where it stopped; shards are parts of one whole."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.plugin.suites import GROUPS

SUITE = (
    GROUPS
    + """
CASES = [case(group, method) for group in "ABC" for method in ("plain", "pruned")]

@pytest.mark.parametrize(("group", "method"), CASES)
def test_it(energy, work, group, method):
    import conftest
    with energy.measure():
        work(10.0 if method == "plain" else 5.0)
    energy.assert_below_baseline()
    conftest.after(group, method)
"""
)


def names(path: str) -> list[str]:
    return [case["name"] for case in json.loads(Path(path).read_text())["cases"]]


@pytest.fixture
def groups(suite: pytest.Pytester) -> pytest.Pytester:
    conftest = Path("conftest.py")
    conftest.write_text(
        conftest.read_text()
        + """
import os, time
def after(group, method):
    print("RAN", group, method)
    if os.environ.get("HANG_AT") == group + method:
        open("hanging", "w").close()
        time.sleep(60)
"""
    )
    suite.makepyfile(test_it=SUITE)
    return suite


def killed_at(place: str) -> None:
    """Run the suite and kill it, hard, inside the case named."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", "--energy-report", "-p", "no:cacheprovider"],
        env={**os.environ, "HANG_AT": place},
        stdout=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while not Path("hanging").exists():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()


class TestResume:
    def test_a_killed_run_loses_the_case_in_flight_only(self, groups: pytest.Pytester) -> None:
        killed_at("Bpruned")
        result = groups.runpytest_subprocess("--energy-report", "--energy-resume", "-s")
        assert result.ret == 0
        ran = [line.split("RAN ")[1] for line in result.outlines if "RAN" in line]
        assert ran == ["B pruned", "C plain", "C pruned"]
        result.stdout.fnmatch_lines(["energy: 3 finished cases taken over from *energy.journal"])
        # In the order of the tests, whenever they ran.
        assert names("reports/energy.json") == [
            f"test_it[{group}-{method}]" for group in "ABC" for method in ("plain", "pruned")
        ]
        assert not Path("reports/energy.journal").exists()

    def test_without_the_wish_a_run_starts_anew_and_keeps_the_old_journal(
        self, groups: pytest.Pytester
    ) -> None:
        killed_at("Aplain")
        result = groups.runpytest_subprocess("--energy-report")
        result.assert_outcomes(passed=6)

    def test_a_journal_of_other_settings_is_refused(self, groups: pytest.Pytester) -> None:
        killed_at("Bpruned")
        result = groups.runpytest_subprocess("--energy-report", "--energy-resume", "--energy-pue=2")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(["ERROR: --energy-resume: *pue is 2.0 here and 1.0 there*"])

    def test_a_damaged_journal_is_named_with_its_line(self, groups: pytest.Pytester) -> None:
        killed_at("Bpruned")
        journal = Path("reports/energy.journal")
        lines = journal.read_bytes().split(b"\n")
        lines[1] = lines[1][:50]
        journal.write_bytes(b"\n".join(lines))
        result = groups.runpytest_subprocess("--energy-report", "--energy-resume")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(["ERROR: --energy-resume: *energy.journal: line 2*"])

    def test_a_torn_last_line_is_run_again(self, groups: pytest.Pytester) -> None:
        killed_at("Bpruned")
        journal = Path("reports/energy.journal")
        journal.write_bytes(journal.read_bytes()[:-40])
        result = groups.runpytest_subprocess("--energy-report", "--energy-resume")
        result.assert_outcomes(passed=4, deselected=2)


class TestShards:
    def test_shards_split_groups_and_leave_none_out(self, groups: pytest.Pytester) -> None:
        parts: list[list[str]] = []
        for index in (1, 2):
            groups.runpytest_subprocess(f"--energy-shard={index}/2", f"--energy-json={index}.json")
            parts.append(names(f"{index}.json"))
        assert not set(parts[0]) & set(parts[1])
        assert len(parts[0]) + len(parts[1]) == 6
        for part in parts:
            letters = [name[8] for name in part]
            assert all(letters.count(letter) == 2 for letter in letters)

    def test_a_shard_says_which_it_is_and_what_it_planned(self, groups: pytest.Pytester) -> None:
        groups.runpytest_subprocess("--energy-shard=2/2", "--energy-json=2.json")
        shard: dict[str, Any] = json.loads(Path("2.json").read_text())["shard"]
        assert (shard["index"], shard["count"]) == (2, 2)
        assert len(shard["planned"]) == len(names("2.json"))
