"""What runs in a Ray task: pytest for one unit, in a process that ends with the task."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

PATIENCE_S = 10.0
"""Seconds that a pytest may take for its teardowns after it was asked to end."""

LAST_BYTES = 20_000
"""How much of what pytest printed comes back."""


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """What a host needs to know to run a unit.

    Attributes:
        arguments: pytest's own, as the user gave them.
        folder: where pytest was called; it must be there on every host.
        files, nodeids: what of it is to be run.
        environment: variables as the driver has them; None: it has none of that name.
        safe_path: pytest was not started with its folder on the module path.
        basetemp: name of this unit's folder in the `--basetemp` of the user.
    """

    arguments: tuple[str, ...]
    folder: str
    files: tuple[str, ...]
    nodeids: tuple[str, ...]
    environment: dict[str, str | None]
    safe_path: bool
    basetemp: str


@dataclass(frozen=True, slots=True)
class TaskResult:
    """What came of it.

    Attributes:
        host: Ray's id of the node; empty if it is not known.
        status: pytest's exit status; negative: the signal that ended it; None: it did not start.
        journal: figures, as in `results.journal`; empty if there are none.
        log: what happened, as `worker.py` writes it.
        printed: the end of what pytest printed.
        niceness: by how much Ray lets other processes of the host go before its tasks.
        problem: why there is nothing more, a sentence; empty if pytest ran.
    """

    host: str
    status: int | None = None
    journal: bytes = b""
    log: bytes = b""
    printed: str = ""
    seconds: float = 0.0
    niceness: int = 0
    problem: str = ""


def run_unit(task: TaskSpec, number: int, progress: Any = None) -> TaskResult:
    """Run a unit here; for `ray.remote`.

    Args:
        number: the unit's.
        progress: actor that is told where the unit runs.
    """
    import ray

    host = ray.get_runtime_context().get_node_id()
    if progress is not None:
        progress.began.remote(number, host)
    return run_task(task, host)


def run_task(task: TaskSpec, host: str) -> TaskResult:
    """Run pytest for the task and wait for it; it is ended when this is interrupted or dies."""
    if not os.path.isdir(task.folder):
        return TaskResult(
            host,
            problem=f"there is no folder {task.folder} on this host: the project must lie at the"
            " same path on all hosts",
        )
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="energybench-") as name:
        folder = Path(name)
        (folder / "task.json").write_text(json.dumps(asdict(task)))
        status = _run(task, folder)
        return TaskResult(
            host,
            status=status,
            journal=_read(folder / "journal"),
            log=_read(folder / "log"),
            printed=_read(folder / "printed")[-LAST_BYTES:].decode("utf-8", "replace"),
            seconds=time.monotonic() - began,
            niceness=_niceness(),
        )


def _run(task: TaskSpec, folder: Path) -> int:
    # The child reads from the pipe and ends when nobody holds the other end any more.
    theirs, ours = os.pipe()
    child = Path(__file__).with_name("worker.py")
    try:
        with (folder / "printed").open("wb") as printed:
            process = subprocess.Popen(
                [sys.executable, "-P", str(child), str(folder), str(theirs)],
                cwd=task.folder,
                env=_environment(task),
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=subprocess.STDOUT,
                pass_fds=[theirs],
                start_new_session=True,
            )
        os.close(theirs)
        try:
            _wait(process)
        except BaseException:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                process.wait(PATIENCE_S)
            raise
        finally:
            # Whatever it has left running would be metered with the next unit.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        return process.wait()
    finally:
        os.close(ours)


def _wait(process: subprocess.Popen[bytes]) -> None:
    """Wait in slices: Ray cancels a task between two steps of Python only."""
    descriptor = os.pidfd_open(process.pid)
    try:
        while not select.select([descriptor], [], [], 0.5)[0]:
            pass
    finally:
        os.close(descriptor)


def _niceness() -> int:
    """Of this process, compared with the one that started it: Ray's own on this host."""
    own, above = (os.getpriority(os.PRIO_PROCESS, pid) for pid in (0, os.getppid()))
    return own - above


def _environment(task: TaskSpec) -> dict[str, str]:
    found = {name: value for name, value in os.environ.items() if name not in task.environment}
    found |= {name: value for name, value in task.environment.items() if value is not None}
    found.pop("PYTEST_CURRENT_TEST", None)
    return found


def _read(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""
