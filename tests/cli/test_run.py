"""`energybench run`: real commands, whose joules are the numbers that they add to a file."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import psutil
import pytest

from pytest_energybench.base.system import LINUX
from pytest_energybench.cli.main import main
from pytest_energybench.measurement import command
from pytest_energybench.metering import discovery
from pytest_energybench.metering.clock import SystemClock
from pytest_energybench.metering.custom import CounterSource
from pytest_energybench.metering.meter import Meter
from pytest_energybench.results.run_file import read_run
from tests.processes import hear_signals

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the commands are those of a POSIX shell")

JOULES = Path("joules")


class Busy:
    """A machine on which another process works."""

    def begin(self) -> object:
        return object()

    def end(self, _: object) -> str:
        return "background load: other processes used 1 CPU-s"


Play = Callable[..., None]


@pytest.fixture(autouse=True)
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Play:
    """Meter the sum of the numbers in `joules`; called again, with other properties."""
    monkeypatch.chdir(tmp_path)
    JOULES.touch()

    def used() -> float:
        return 1e6 + sum(map(float, JOULES.read_text().split()))

    def change(*, load: Any = None, **source: Any) -> None:
        made = CounterSource(source.pop("joules", used), "cpu:0", **source)
        monkeypatch.setattr(discovery, "discover", lambda *_, **__: Meter([made], load=load))

    change(may_be_zero=True)
    return change


def uses(joules: object, then: str = "") -> list[str]:
    return ["--", "sh", "-c", f"echo {joules} >> joules; {then}"]


def run(*args: str) -> int:
    return main(["run", *args])


def test_rounds_in_turn_become_a_run(capfd: pytest.CaptureFixture[str]) -> None:
    files = [f"--export={form}=out.{form}" for form in ("json", "csv", "markdown", "html")]
    other = "echo 1{x} >> joules; echo b >> order"
    args = ["-r3", "-w1", "-L", "x", "0,1", "--shell", f"--compare={other}", "-p", "echo p>>order"]
    assert run(*args, *files, "--", "echo 5 >> joules; echo {x} >> order") == 0
    out = capfd.readouterr().out
    assert "reference" in out
    assert out.count("less") >= 1
    order = "".join(Path("order").read_text().split())
    warm, ahead = "pbp0pbp1", "pbp0pbp1"
    assert order == warm + ahead + "p1pbp0pb" + ahead
    stored = read_run("out.json")
    assert [case.total_j for case in stored.cases] == [10, 5, 11, 5]
    assert [len(case.rounds) for case in stored.cases] == [3] * 4
    assert [case.params.get("x") for case in stored.cases] == ["0", "0", "1", "1"]
    (made,) = stored.cases[1].comparisons
    assert (made.finding, made.n, made.method) == ("less", 3, "paired")
    assert made.estimate == pytest.approx(-0.5)
    for form in ("csv", "markdown", "html"):
        assert "echo 5" in Path(f"out.{form}").read_text()


def test_one_round_is_lower_or_higher_and_hyperfine_reads_it(
    capfd: pytest.CaptureFixture[str],
) -> None:
    args = ["--compare", "sh -c 'echo 4 >> joules'", "--export=hyperfine", "--export=json=r.json"]
    assert run(*args, "-n", "ours", *uses(5)) == 1
    printed = capfd.readouterr()
    theirs, ours = json.loads(printed.out)["results"]
    assert theirs["command"] == "sh -c 'echo 4 >> joules'"
    assert (ours["command"], ours["energy"]["joules"], ours["stddev"]) == ("ours", [5.0], None)
    assert ours["times"] == [ours["mean"]] == [ours["max"]]
    assert "+25.0 %" in printed.err
    (made,) = read_run("r.json").cases[1].comparisons
    assert (made.finding, made.interval) == ("higher", None)
    assert run("--fail-on=nothing", *args[:2], *uses(5)) == 0
    assert run("--margin=30 %", *args[:2], *uses(5)) == 0


@pytest.mark.parametrize(
    ("joules", "meter", "status", "word"),
    [
        (5, {}, 0, "PASSED"),
        (41, {}, 1, "over budget"),
        (5, {"joules": lambda: 1 / 0}, 1, "not measured"),
        (39, {"period_s": 9.0}, 1, "too short"),
        (41, {"load": Busy()}, 1, "machine busy"),
        (5, {"load": Busy()}, 0, "PASSED"),
    ],
)
def test_a_budget_holds_or_fails(
    play: Play,
    capfd: pytest.CaptureFixture[str],
    joules: int,
    meter: dict[str, Any],
    status: int,
    word: str,
) -> None:
    play(**{"may_be_zero": True, **meter})
    assert run("--budget=40 J", *uses(joules)) == status
    assert word in capfd.readouterr().out


FAILS_SECOND = "n=$(wc -l < joules); echo n=$n >&2; [ $n -lt 2 ] || exit 7"


@pytest.mark.parametrize(
    ("args", "status", "says"),
    [
        (["-r3", *uses(5, FAILS_SECOND)], 3, "ended with exit status 7\n  n=2\n"),
        (["-r2", *uses(5, "kill -9 $$")], 3, "was killed by SIGKILL"),
        (["--timeout=0.2 s", *uses(5, "sleep 60")], 3, "took longer than 0.2 s and was ended"),
        (["-p", "false", *uses(5)], 3, "`false` ended with exit status 1"),
        (["--", "nosuchcommand"], 127, "nosuchcommand: no such command\n"),
        (["--", "sleep 1"], 127, "no such command; give its arguments as words of their own, or"),
        (["--", "./orphan"], 126, "./orphan: what its first line names to run it is not there\n"),
        (["--", "./joules"], 126, "./joules: Permission denied\n"),
    ],
    ids=[
        "second round",
        "signal",
        "timeout",
        "prepare",
        "not found",
        "one word",
        "no interpreter",
        "not executable",
    ],
)
def test_a_command_that_fails_has_its_own_exit_status_and_no_figures(
    capfd: pytest.CaptureFixture[str], args: list[str], status: int, says: str
) -> None:
    Path("old.json").write_text("there before")
    Path("orphan").write_text("#!/nowhere/python\n")
    Path("orphan").chmod(0o755)
    assert run("--budget=1 kJ", "--export=json=old.json", *args) == status
    assert says in capfd.readouterr().err
    assert Path("old.json").read_text() == "there before"
    assert run("-i", "--budget=1 kJ", *uses(5, "exit 7")) == 0


def test_the_rounds_before_a_failure_are_shown(capfd: pytest.CaptureFixture[str]) -> None:
    assert run("-r3", *uses(5, FAILS_SECOND)) == 3
    out = capfd.readouterr().out
    assert "FAILED" in out
    assert "1 of 3 rounds" in out


@pytest.mark.skipif(not LINUX, reason="Linux gives orphans to the process that asks for them")
def test_a_process_that_is_left_behind_makes_the_figure_unknown(
    capfd: pytest.CaptureFixture[str],
) -> None:
    try:
        assert run(*uses(5, "(setsid sleep 60 & echo $! > pid)")) == 3
        assert "has ended and left sleep running" in capfd.readouterr().err
    finally:
        os.kill(int(Path("pid").read_text()), signal.SIGKILL)
        os.waitpid(-1, 0)
    assert run(*uses(5, "(sleep 0.1; echo 2 >> joules) &"), "--export=json=r.json") == 0


def test_what_ends_a_moment_later_is_in_the_window() -> None:
    late = uses(5, "(sleep 0.1; echo 2 >> joules) &")
    assert run("--export=json=r.json", *late) == 0
    assert read_run("r.json").cases[0].total_j == (7 if LINUX else 5)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_an_interrupt_ends_the_whole_tree_and_leaves_what_was_there(
    name: str,
) -> None:
    number = getattr(signal, name)
    Path("old.json").write_text("there before")
    code = "import sys; from pytest_energybench.cli.main import main; sys.exit(main(sys.argv[1:]))"
    args = ["run", "--meters=estimate", "--export=json=old.json"]
    tree = uses(5, "sh -c 'sleep 60' & echo $! > pid; setsid sleep 60 & echo $! >> pid; wait")
    words = [sys.executable, "-c", code, *args, *tree]
    started = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, preexec_fn=hear_signals)
    until = time.monotonic() + 60
    while not (Path("pid").exists() and Path("pid").read_text().count("\n") == 2):
        assert time.monotonic() < until
        time.sleep(0.02)
    started.send_signal(number)
    _, errors = started.communicate(timeout=60)
    assert started.returncode == 128 + number
    assert (
        errors
        == "energybench run: interrupted; what was started is ended, and no file is written\n"
    )
    assert not any(psutil.pid_exists(int(pid)) for pid in Path("pid").read_text().split())
    assert Path("old.json").read_text() == "there before"


class Interrupted(subprocess.Popen[bytes]):
    """A process that Ctrl-C meets when it has just started, before anybody knows it by name."""

    made: ClassVar[list[int]] = []

    def __init__(self, *words: Any, **conduct: Any) -> None:
        super().__init__(*words, **conduct)
        self.made.append(self.pid)
        self.returncode = 0  # it is not asked again
        raise KeyboardInterrupt


def test_what_is_interrupted_while_it_starts_is_ended_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        command.Command.of(["sleep", "60"], command.Conduct())()
    (pid,) = Interrupted.made
    assert not psutil.pid_exists(pid)


class LateTimer(threading.Thread):
    """A timer whose time comes while it is cancelled."""

    def __init__(self, _: float, function: Callable[..., None], args: Any) -> None:
        super().__init__(daemon=True)
        self._function, self._args = function, args
        self._cancelled = threading.Event()

    def run(self) -> None:
        self._cancelled.wait()
        time.sleep(0.1)
        self._function(*self._args)

    def cancel(self) -> None:
        self._cancelled.set()


def test_a_timeout_that_comes_as_a_round_ends_is_none_of_the_next_round(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(threading, "Timer", LateTimer)
    assert run("--timeout=1 s", "-r2", *uses(5, "sleep 0.3")) == 0


def test_what_ignores_sigterm_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "GRACE_S", 0.05)
    stubborn = "trap '' TERM; echo $$ > pid; while :; do sleep 0.05; done"
    assert run("--timeout=0.3 s", *uses(5, stubborn)) == 3
    assert not psutil.pid_exists(int(Path("pid").read_text()))


@pytest.mark.parametrize("args", [[], ["-r2", "--show-output"]])
def test_a_commands_output_is_not_mixed_with_an_export(
    capfd: pytest.CaptureFixture[str], args: list[str]
) -> None:
    assert run("--export=json", *args, *uses(5, "echo out")) == 0
    printed = capfd.readouterr()
    assert json.loads(printed.out)["cases"]
    assert printed.err.count("out\n") == (2 if args else 1)


def test_output_and_input_are_those_of_one_run_only(capfd: pytest.CaptureFixture[str]) -> None:
    said = uses(5, "echo out; echo err >&2; cat")
    Path("in").write_text("given\n")
    for args, count in (([], 1), (["-r2"], 0), (["-r2", "--show-output"], 2)):
        assert run("--input=in", *args, *said) == 0
        printed = capfd.readouterr()
        assert printed.out.count("given\n") == printed.err.count("err\n") == count


@pytest.mark.parametrize(
    ("args", "setting"),
    [
        (["--input=more"], "input"),
        (["--warmup=2"], "warmup"),
        (["--prepare=true"], "prepare"),
        (["-i"], "ignore_failure"),
    ],
)
def test_runs_of_one_command_that_is_run_otherwise_are_not_comparable(
    capsys: pytest.CaptureFixture[str], args: list[str], setting: str
) -> None:
    Path("few").write_text("1")
    Path("more").write_text("2")
    named = ["-n", "it", "--input=few"]
    for file, conduct in (("a", []), ("b", args), ("again", [])):
        Path("few").touch()
        assert run(f"--export=json={file}.json", *named, *conduct, *uses(5)) == 0
    gate = ["compare", "--fail-on=not-comparable,more", "a.json"]
    assert main([*gate, "again.json"]) == 0
    assert main([*gate, "b.json"]) == 1
    assert f"not comparable: {setting} is" in capsys.readouterr().out


def test_what_a_shell_reads_is_not_compared_with_what_is_run_as_it_stands() -> None:
    for file, args in (("a", ["--shell"]), ("b", [])):
        assert run(f"--export=json={file}.json", "-n", "it", *args, "--", "true") == 0
    assert main(["compare", "--fail-on=not-comparable", "a.json", "b.json"]) == 1


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ([], "there is no command"),
        (["-r0", "--", "true"], "--rounds: a whole number, 1 or more"),
        (["-p", "true", "--iterations=2", "--", "true"], "can't go with --iterations"),
        (["-L", "x", "1,2", "--", "true"], "-L x: the command has no {x}"),
        (["-L", "x", "1", "-L", "x", "2", "--", "echo", "{x}"], "this name has two lists"),
        (["--compare", "a && b", "--", "true"], "`&&` is for a shell: --shell"),
        (["-p", "rm -f *.o", "--", "true"], "`*` is for a shell: --shell, or quote it"),
        (["-p", 'rm "$HOME/x"', "--", "true"], "`$H` is for a shell"),
        (["-p", "touch ~/x", "--", "true"], "`~` is for a shell"),
        (["-p", "true\nfalse", "--", "true"], "`\\n` is for a shell"),
        (["--compare", "echo '", "--", "true"], "No closing quotation"),
        (["--budget=40", "--", "true"], "--budget: '40' is not"),
        (["--margin=3", "--", "true"], "--margin: '3' is not a percentage"),
        (["--fail-on=x", "--", "true"], "--fail-on: 'x' is nothing to fail on"),
        (["--cooldown=x", "--", "true"], "--cooldown: 'x' is not"),
        (["--timeout=x", "--", "true"], "--timeout: 'x' is not"),
        (["--input=no", "--", "true"], "--input: there is no file no"),
        (["--export=x=y", "--", "true"], "'x' is no format: one of json, html,"),
        (["--export=json=", "--", "true"], "no file stands behind the ="),
        (["--export=json=a", "--export=csv=./a", "--", "true"], "--export: two formats go to /"),
        (["--budget=4 J/token", "--", "true"], "--budget: a command counts no token"),
        (["--", ""], "there is no command"),
        (["--export=json=.", "--", "true"], "--export json=.: . is a folder"),
        (["--export=boamps=b", "--compare", "a", "--", "true"], "is of one task, not of 2"),
        (["--compare=''", "--", "true"], "--compare: there is no command"),
        (["--export=json", "--export=csv", "--", "true"], "one format goes to standard output"),
    ],
)
def test_a_mistake_is_told_in_a_line_before_anything_runs(
    capfd: pytest.CaptureFixture[str], args: list[str], says: str
) -> None:
    assert run(*args) == 4
    (line,) = capfd.readouterr().err.splitlines()
    assert says in line


def test_the_machine_cools_down_between_all_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(SystemClock, "sleep", staticmethod(slept.append))
    args = ["--cooldown=2 min", "-r2", "--compare", "true", "--export=json=r.json"]
    assert run(*args, *uses(5)) == 0
    assert [each for each in slept if each == 120.0] == [120.0] * 3
    assert read_run("r.json").settings["cooldown_s"] == 120.0


def test_iterations_are_per_run_and_a_command_against_itself_is_two_cases() -> None:
    args = ["-r2", "--iterations=3", "--compare", "sh -c 'echo 5 >> joules; '"]
    assert run("--export=json=r.json", *args, *uses(5)) == 0
    ours, theirs = read_run("r.json").cases[::-1]
    assert ours.total_j == theirs.total_j == 5
    assert ours.rounds[0].iterations == 3
    assert ours.nodeid == f"{theirs.nodeid} (again)"


@pytest.mark.parametrize("args", [[], ["-i"], ["--shell", "-i", "-r2"]])
def test_what_cant_be_prepared_is_not_metered(
    capfd: pytest.CaptureFixture[str], args: list[str]
) -> None:
    assert run(*args, "--prepare=false", "--", "touch", "ran") == 3
    assert "`false` ended with exit status 1\n" in capfd.readouterr().err
    assert not Path("ran").exists()


def test_what_prepares_takes_nothing_of_the_commands_input(
    capfd: pytest.CaptureFixture[str],
) -> None:
    Path("in").write_text("given\n")
    code = "import sys; from pytest_energybench.cli.main import main; sys.exit(main(sys.argv[1:]))"
    args = ["--prepare=tee taken", "--", "cat"]
    with open("in") as given:
        words = [sys.executable, "-c", code, "run", "--meters=estimate", *args]
        done = subprocess.run(words, stdin=given, capture_output=True, text=True, check=True)
    assert (done.stdout[:6], Path("taken").read_text()) == ("given\n", "")
    assert run("--input=in", *args) == 0
    assert (capfd.readouterr().out[:6], Path("taken").read_text()) == ("given\n", "")


def test_what_is_quoted_is_for_no_shell(capfd: pytest.CaptureFixture[str]) -> None:
    quoted = r"""printf '%s\n' '*>$a`' "a;*" \* a~ @{1}"""
    assert run(f"--prepare={quoted}", *uses(5)) == 0
    assert capfd.readouterr().out.startswith("*>$a`\na;*\n*\na~\n@{1}\n")


def test_a_comma_that_is_quoted_is_part_of_a_value() -> None:
    assert run("-L", "a", r"1\,2,3", "--export=json=r.json", "--", "echo", "{a}") == 0
    assert [case.params["a"] for case in read_run("r.json").cases] == ["1,2", "3"]


def test_a_value_that_prepares_a_command_prepares_its_reference_as_well() -> None:
    args = ["-L", "n", "1,2", "--prepare", "echo {n} >> order", "--compare", "echo 5 >> joules"]
    assert run("--export=json=r.json", *args, "--shell", "--", "echo {n} >> joules") == 0
    assert Path("order").read_text().split() == ["1", "1", "2", "2"]
    stored = read_run("r.json").cases
    assert [case.params["n"] for case in stored] == ["1", "1", "2", "2"]
    assert [case.total_j for case in stored] == [5, 1, 5, 2]


def test_a_value_is_put_in_as_it_is() -> None:
    args = ["-L", "a", "{b},1", "-L", "b", "2", "--input", os.devnull, "--export=json=r.json"]
    assert run(*args, "--", "echo", "{a}{b}") == 0
    assert [case.name for case in read_run("r.json").cases] == ["echo '{b}2'", "echo 12"]
