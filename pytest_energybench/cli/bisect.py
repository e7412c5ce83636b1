"""`energybench bisect CASE --good A --bad B`: the commit from which on a case uses more."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_energybench.exceptions import EnergyBenchError

if TYPE_CHECKING:
    from pytest_energybench.results.model import Run

_FOUND = re.compile(r"^([0-9a-f]{40,64}) is the first bad commit$", re.MULTILINE)
_ONLY_SKIPPED = re.compile(r"^There are only 'skip'ped commits left", re.MULTILINE)
"""Whole lines of git's own: the subject of a commit, which it prints as well, may say the same."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("case", metavar="CASE", nargs="+", help="pytest's own words for the tests")
    parser.add_argument("--good", metavar="COMMIT", required=True, help="it used less here ...")
    parser.add_argument("--bad", metavar="COMMIT", default="HEAD", help="... than here (HEAD)")
    parser.add_argument("--rounds", metavar="N", type=int, default=5, help="of each commit (5)")
    parser.add_argument(
        "--margin", metavar="PERCENT", default="3 %", help="what counts as more (3 %%)"
    )


def run(options: argparse.Namespace) -> int:
    """0 if the commit is found; 1 if it can't be told from its neighbours, or nothing is more."""
    from pytest_energybench.gates.parse import parse_margin

    if options.rounds < 1:
        raise EnergyBenchError("--rounds: 1 or more")
    margin = parse_margin(options.margin)
    good, bad = (
        _git(Path(), "rev-parse", "--verify", f"{name}^{{commit}}")
        for name in (options.good, options.bad)
    )
    with _own_worktree(good) as tree:
        search = _Search(tree, options.case, options.rounds, margin, good)
        if search.tells_time:
            print("energy is estimated from CPU time here: each change is a time ratio", flush=True)
        first = search.judge(bad)
        _say(tree, bad, first)
        if first.word != "bad":
            print("nothing to search for: the bad commit is not shown to use more")
            return 1
        said = _git(tree, "bisect", "start", "--no-checkout", bad, good)
        while True:
            if found := _FOUND.search(said):
                print(f"first to use more: {_named(tree, found[1])}")
                return 0
            if _ONLY_SKIPPED.search(said):
                print("one of these, which could not be told apart:")
                listed = (line.strip() for line in said.splitlines())
                for each in (line for line in listed if len(line) in (40, 64) and " " not in line):
                    print(f"  {_named(tree, each)}")
                return 1
            commit = _git(tree, "rev-parse", "BISECT_HEAD")
            step = search.judge(commit)
            _say(tree, commit, step)
            said = _git(tree, "bisect", step.word, allowed=(0, 2))


@dataclass(frozen=True, slots=True)
class _Step:
    """What one commit came to: `good`, `bad` or `skip`, and why."""

    word: str
    why: str


class _Search:
    """Measures commits in a working tree of its own and holds them against the good one."""

    def __init__(self, tree: Path, cases: list[str], rounds: int, margin: float, good: str) -> None:
        self._tree = tree
        self._cases = cases
        self._rounds = rounds
        self._margin = margin
        self._good = self._measure(good)
        if isinstance(self._good, str):
            raise EnergyBenchError(f"the good commit {good[:7]} has no figures: {self._good}")

    @property
    def tells_time(self) -> bool:
        """Whether changes are ratios of times; see `report.figures.follows_time`."""
        from pytest_energybench.report.figures import follows_time

        assert not isinstance(self._good, str)
        return any(map(follows_time, self._good.cases))

    def judge(self, commit: str) -> _Step:
        """Whether a commit uses more than the good one; a case that nothing decides is skipped."""
        from pytest_energybench.gates.quantities import bounds, percent
        from pytest_energybench.gates.stored import compare_stored

        found = self._measure(commit)
        if isinstance(found, str):
            return _Step("skip", found)
        assert not isinstance(self._good, str)
        judged, summary = compare_stored(found, self._good, name="good", margin=self._margin)
        made = [each for case in judged.cases for each in case.comparisons]
        made = [each for each in made if each.reference == "stored" and each.judged is not None]
        if not made:
            return _Step("skip", "it has none of the good commit's cases")
        worst = max(made, key=lambda each: each.estimate or 0.0)
        change = f"{percent(worst.estimate)} {bounds(worst.interval)}".strip()
        reasons = {each.judged.reason for each in made if each.judged is not None}
        if any(reason.startswith("more than") for reason in reasons):
            return _Step("bad", change)
        gone = (*summary.stale, *summary.not_run)
        if gone and reasons == {""}:
            return _Step("skip", f"it has no figures of {gone[0]}")
        if reasons == {""}:
            return _Step("good", change)
        return _Step("skip", ", ".join(filter(None, sorted(reasons))))

    def _measure(self, commit: str) -> Run | str:
        """The run of the cases at a commit, or why there is none."""
        from pytest_energybench.results.run_file import read_run

        # Tests may have changed files that git knows, or have written what another commit has.
        _git(self._tree, "checkout", "--quiet", "--force", "--detach", commit)
        within = _git(Path(), "rev-parse", "--show-prefix")
        folder = self._tree / within
        if not folder.is_dir():
            return f"it has no folder {within.rstrip('/')}"
        with tempfile.TemporaryDirectory(prefix="energybench-") as kept:
            file = Path(kept) / "run.json"
            roots = [folder, folder / "src", self._tree, self._tree / "src"]
            paths = [*map(str, roots), os.environ.get("PYTHONPATH", "")]
            own = {
                "PYTHONPATH": os.pathsep.join(filter(None, paths)),
                # The age of bytecode is in whole seconds: it may be that of another commit.
                "PYTHONDONTWRITEBYTECODE": "1",
            }
            done = subprocess.run(
                [
                    *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider"),
                    *self._cases,
                    f"--energy-rounds={self._rounds}",
                    f"--energy-json={file}",
                ],
                cwd=folder,
                env={**os.environ, **own},
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
            )
            if not file.exists():
                last = [*(done.stdout + done.stderr).split("\n"), ""]
                return next((line for line in reversed(last) if line.strip()), "no output")
            return read_run(file)


@contextmanager
def _own_worktree(commit: str) -> Iterator[Path]:
    """A working tree beside the user's, which stays as it is."""
    with tempfile.TemporaryDirectory(prefix="energybench-") as folder:
        tree = Path(folder) / "tree"
        _git(Path(), "worktree", "add", "--quiet", "--detach", str(tree), commit)
        try:
            yield tree
        finally:
            _git(Path(), "worktree", "remove", "--force", str(tree))


def _git(folder: Path, *arguments: str, allowed: tuple[int, ...] = (0,)) -> str:
    """What a git command prints.

    Raises:
        EnergyBenchError: it fails; says what git says.
    """
    command = ["git", "-c", f"core.hooksPath={os.devnull}", *arguments]
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, errors="replace", check=False
        )
    except OSError as error:
        raise EnergyBenchError(f"git can't be run: {error.strerror}") from None
    if done.returncode not in allowed:
        why = [*done.stderr.strip().splitlines(), *done.stdout.strip().splitlines(), ""]
        raise EnergyBenchError(f"git {arguments[0]}: {why[0]}")
    return done.stdout.strip()


def _named(tree: Path, commit: str) -> str:
    from pytest_energybench.base.text import sanitize

    return sanitize(_git(tree, "show", "--no-patch", "--format=%h %s", commit))


def _say(tree: Path, commit: str, step: _Step) -> None:
    from pytest_energybench.base.text import sanitize

    print(sanitize(f"{step.word:<4}  {_named(tree, commit)}: {step.why}"), flush=True)
