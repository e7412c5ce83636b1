"""A command of the system, to be metered: started, waited for, ended with its whole tree."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING

from pytest_energybench.base.system import LINUX, signal_name
from pytest_energybench.base.text import sanitize
from pytest_energybench.exceptions import EnergyBenchError
from pytest_energybench.metering.clock import SYSTEM_CLOCK

if TYPE_CHECKING:
    import psutil

NOT_FOUND = 127
NOT_EXECUTABLE = 126
"""Exit statuses of a shell for a command that it can't start (POSIX, Shell Command Language,
2.8.2)."""

SETTLE_S = 0.5
"""A pipeline's last process may end a moment after the first: so long the window waits for it."""
GRACE_S = 2.0
"""From SIGTERM to SIGKILL."""
MOST_ATTEMPTS = 3
"""To end what starts others while it is ended."""
LAST_LINES = 10
"""Of what a silent command that failed wrote to its standard error."""

_STDERR = 2
_SUBREAPER = 36
"""PR_SET_CHILD_SUBREAPER (prctl(2), Linux 3.4)."""
_QUOTED = re.compile(r"""\\.|'[^']*'|"(?P<within>(?:\\.|[^"\\])*)\"""", re.DOTALL)
_EXPANDED = re.compile(r"`|\$[\w({?$@*#!-]")
"""What a shell reads within double quotes, too."""
_FOR_A_SHELL = re.compile(rf"[();<>|&]+|\n|[*?\[]|(?<!\S)~|{_EXPANDED.pattern}")
"""What it reads where nothing is quoted; to a program these are letters like others."""


class NotStartedError(EnergyBenchError):
    """A command that can't be started.

    Attributes:
        status: 127 where it isn't there, 126 where it can't be executed.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class CommandFailedError(EnergyBenchError):
    """A command that came to a bad end, so that its figures are no round."""


@dataclass(frozen=True, slots=True)
class Conduct:
    """How commands are run.

    Attributes:
        shell: the system's shell reads them (`/bin/sh`, `cmd.exe`).
        shows: their output goes where this process's goes; else it is thrown away, and the end of
            what one that fails wrote to standard error is in its error.
        to_stderr: all that is shown goes to standard error.
        reads: they have this process's standard input; else `input`, or nothing.
        timeout_s: seconds after which one is ended, with its tree.
        ignores_status: an exit status other than 0 is no failure.
    """

    shell: bool = False
    shows: bool = False
    to_stderr: bool = False
    reads: bool = False
    input: Path | None = None
    timeout_s: float | None = None
    ignores_status: bool = False


@dataclass(frozen=True, slots=True)
class Command:
    """A command line: calling it runs it once and returns its exit status.

    Attributes:
        text: as a user would type it.
        words: program and arguments; empty where a shell reads the text.
    """

    text: str
    words: tuple[str, ...]
    conduct: Conduct

    @classmethod
    def of(cls, given: str | Sequence[str], conduct: Conduct, option: str = "") -> Command:
        """From one text, or from words that a shell has taken apart already.

        Args:
            option: where a text stood, for messages.

        Raises:
            EnergyBenchError: there is nothing to run, or the text is for a shell and none reads it.
        """
        text = given if isinstance(given, str) else _joined(given, conduct)
        words: tuple[str, ...] = ()
        if not conduct.shell:
            words = _split(given, option) if isinstance(given, str) else tuple(given)
        if not text.strip() or words[:1] == ("",):
            raise EnergyBenchError(f"{option or 'run'}: there is no command; give it after `--`")
        return cls(text, words, conduct)

    @property
    def __name__(self) -> str:
        """Name of its windows."""
        return os.path.basename((self.words or self.text.split())[0])

    def __call__(self) -> int:
        """Run it to the end of its tree, which `Tree.left` is asked for afterwards.

        Raises:
            NotStartedError: it isn't there, or can't be executed.
            CommandFailedError: it took too long, was killed, or its exit status isn't 0.
        """
        tree = Tree()
        with ExitStack() as stack:
            errors = None if self.conduct.shows else stack.enter_context(TemporaryFile())
            late = threading.Event()
            process: subprocess.Popen[bytes] | None = None
            try:
                process = self._started(stack, errors)
                if self.conduct.timeout_s is not None:
                    timer = threading.Timer(self.conduct.timeout_s, _end, (late, tree))
                    timer.daemon = True
                    timer.start()
                    # It may be at work, and the next command is none of its.
                    stack.callback(timer.join)
                    stack.callback(timer.cancel)
                status = process.wait()
                tree.settle()
            except BaseException:  # Ctrl-C, be it while it starts: nothing of it goes on without us
                tree.end()
                if process is not None:
                    process.wait()
                raise
            if why := self._failure(status, late.is_set()):
                tree.end()
                raise CommandFailedError(why + _last_lines(errors))
            if left := tree.left():
                raise CommandFailedError(
                    f"`{sanitize(self.text)}` has ended and left {_named(left)} running, whose"
                    " joules are in no figure: let it wait for what it starts"
                )
        return status

    def _started(self, stack: ExitStack, errors: IO[bytes] | None) -> subprocess.Popen[bytes]:
        source: int | IO[bytes] | None = None if self.conduct.reads else subprocess.DEVNULL
        if self.conduct.input is not None:
            source = stack.enter_context(self.conduct.input.open("rb"))
        try:
            return subprocess.Popen(
                self.text if self.conduct.shell else self.words,
                shell=self.conduct.shell,
                stdin=source,
                stdout=self._output(),
                stderr=errors,
            )
        except OSError as error:
            raise self._not_started(error) from None

    def _output(self) -> int | None:
        if not self.conduct.shows:
            return subprocess.DEVNULL
        return _STDERR if self.conduct.to_stderr else None

    def _not_started(self, error: OSError) -> NotStartedError:
        """A script whose interpreter is missing is there all the same."""
        name = self.words[0] if self.words else self.text
        status, why = NOT_EXECUTABLE, error.strerror or str(error)
        if isinstance(error, FileNotFoundError):
            why = "what its first line names to run it is not there"
            if shutil.which(name) is None:
                status, why = NOT_FOUND, "no such command"
                if len(name.split()) > 1:
                    why += "; give its arguments as words of their own, or let --shell read it"
        return NotStartedError(f"{sanitize(name)}: {why}", status)

    def _failure(self, status: int, late: bool) -> str:
        """Why its figures are no round; empty where they are."""
        name = f"`{sanitize(self.text)}`"
        if late:
            return f"{name} took longer than {self.conduct.timeout_s:g} s and was ended"
        if status < 0:
            return f"{name} was killed by {signal_name(-status)}"
        if status and not self.conduct.ignores_status:
            return f"{name} ended with exit status {status}"
        return ""


class Tree:
    """What this process started since this was made, and all that came of it.

    Orphans are part of it on Linux, where `adopting_orphans` gives them to this process; elsewhere
    one whose parent has ended is not seen.
    """

    def __init__(self) -> None:
        self._before = set(self._all())

    def settle(self) -> None:
        """Wait a moment for what outlives its first process."""
        until = SYSTEM_CLOCK.monotonic() + SETTLE_S
        while self.left() and SYSTEM_CLOCK.monotonic() < until:
            SYSTEM_CLOCK.sleep(0.01)

    def left(self) -> list[psutil.Process]:
        """The processes that still run; of the others none stays a zombie of ours."""
        import psutil

        found = []
        for process in self._all():
            if process in self._before:
                continue
            try:
                ended = process.status() == psutil.STATUS_ZOMBIE
            except psutil.Error:
                continue
            if ended:
                _reap(process.pid)
            else:
                found.append(process)
        return found

    def end(self) -> None:
        """End all of it: politely, then at once. What is started meanwhile is ended as well, and
        what may not be ended (another user's, by `sudo`) is left after a while."""
        import psutil

        until = SYSTEM_CLOCK.monotonic() + GRACE_S
        try:
            for process in self.left():
                _try(process.terminate)
            while self.left() and SYSTEM_CLOCK.monotonic() < until:
                SYSTEM_CLOCK.sleep(0.01)
        finally:  # a second Ctrl-C doesn't wait
            for _ in range(MOST_ATTEMPTS):
                left = self.left()
                for process in left:
                    _try(process.kill)
                psutil.wait_procs(left, timeout=GRACE_S)

    @staticmethod
    def _all() -> list[psutil.Process]:
        import psutil

        me = psutil.Process()
        if LINUX and not _has_children(me.pid):
            return []  # a small file, where psutil would read those of all processes
        return me.children(recursive=True)


@contextmanager
def adopting_orphans() -> Iterator[None]:
    """Within, a descendant whose parent ends becomes this process's child, on Linux: it is metered,
    seen, and ended with the rest however it detached itself."""
    if not LINUX:
        yield
        return
    import ctypes

    prctl = ctypes.CDLL(None).prctl
    prctl(_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        prctl(_SUBREAPER, 0, 0, 0, 0)


def _has_children(pid: int) -> bool:
    """Whether a process has children, as Linux says without a look at all processes."""
    try:
        return any(each.read_bytes() for each in Path(f"/proc/{pid}/task").glob("*/children"))
    except OSError:  # a kernel without the file, or a thread that has just ended
        return True


def _end(late: threading.Event, tree: Tree) -> None:
    late.set()
    tree.end()


def _try(what: Callable[[], object]) -> None:
    import psutil

    try:
        what()
    except psutil.Error:  # it has ended, or is another user's
        return


def _reap(pid: int) -> None:
    """Take note of an orphan's end, which adds its CPU time to that of this process's children."""
    if hasattr(os, "WNOHANG"):
        try:
            os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:  # its parent is another process, or `Popen` has waited for it
            return


def _joined(words: Sequence[str], conduct: Conduct) -> str:
    """Words after `--`: with a shell it is their text that it reads, as with `ssh HOST WORDS`."""
    return " ".join(words) if conduct.shell else shlex.join(words)


def _split(text: str, option: str) -> tuple[str, ...]:
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise EnergyBenchError(f"{option} {sanitize(text)!r}: {error}") from None
    if found := _FOR_A_SHELL.search(_QUOTED.sub(_without_quotes, text.strip())):
        what = found[0].replace("\n", "\\n")
        raise EnergyBenchError(
            f"{option} {sanitize(text)!r}: `{what}` is for a shell: --shell, or quote it"
        )
    return tuple(words)


def _without_quotes(found: re.Match[str]) -> str:
    """Of a quoted part what a shell reads all the same."""
    within = re.sub(r"\\.", "", found["within"] or "", flags=re.DOTALL)
    return "".join(["\0", *(each[0] for each in _EXPANDED.finditer(within))])


def _named(left: Sequence[psutil.Process]) -> str:
    import psutil

    names = []
    for process in left:
        try:
            names.append(sanitize(process.name()))
        except psutil.Error:
            names.append("?")
    return ", ".join(dict.fromkeys(names))


def _last_lines(errors: IO[bytes] | None) -> str:
    if errors is None:
        return ""
    size = errors.seek(0, os.SEEK_END)
    errors.seek(max(0, size - 4096))
    lines = [sanitize(line) for line in errors.read().splitlines()[-LAST_LINES:]]
    return "".join(f"\n  {line}" for line in lines)
