"""One lock for the machine: killed holders, nesting, waiting, and nobody kept out for ever."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pytest_energybench.metering import locks as module
from pytest_energybench.metering.errors import LockTimeoutError
from pytest_energybench.metering.locks import FileLock, Patience, file_lock

AT_ONCE = Patience(limit_s=0.0, tell=lambda _: None)
SOON = Patience(limit_s=60.0, tell=lambda _: None)

HOLDER = """
import sys, time
from pathlib import Path
from pytest_energybench.metering import locks as module
from pytest_energybench.metering.locks import FileLock, Patience
module._ancestry = set  # a stranger, not a part of the process that started it
lock = FileLock(Path(sys.argv[1]))
lock.acquire(sys.argv[2] == "exclusive", Patience(
    limit_s=60.0, tell=lambda _: print("waiting", flush=True), quiet_s=0.0
))
print("held", flush=True)
sys.stdin.readline()
lock.release(sys.argv[2] == "exclusive")
print("free", flush=True)
time.sleep(20)
"""

Hold = Callable[[str], "subprocess.Popen[str]"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "machine"


@pytest.fixture
def hold(path: Path) -> Iterator[Hold]:
    """Another process that holds the lock `exclusive` or `shared` until it is told."""
    started = []

    def start(how: str) -> subprocess.Popen[str]:
        holder = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(path), how],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(holder)
        return holder

    yield start
    for holder in started:
        holder.kill()
        holder.communicate()


def hear(holder: subprocess.Popen[str], word: str) -> None:
    assert holder.stdout is not None
    assert holder.stdout.readline() == f"{word}\n"


def is_silent(holder: subprocess.Popen[str]) -> bool:
    """Whether it says nothing for as long as it would take to get the lock."""
    return not select.select([holder.stdout], [], [], 0.3)[0]


def let_go(holder: subprocess.Popen[str]) -> None:
    assert holder.stdin is not None
    holder.stdin.write("\n")
    holder.stdin.flush()
    hear(holder, "free")


@pytest.mark.parametrize(
    ("theirs", "ours", "free"),
    [
        ("exclusive", True, False),
        ("exclusive", False, False),
        ("shared", True, False),
        ("shared", False, True),
    ],
)
def test_who_may_hold_it_together(
    path: Path, hold: Hold, theirs: str, ours: bool, free: bool
) -> None:
    holder = hold(theirs)
    hear(holder, "held")
    lock = FileLock(path)
    if free:
        lock.acquire(ours, AT_ONCE)
    else:
        with pytest.raises(LockTimeoutError, match=f"held by process {holder.pid} after 0 s"):
            lock.acquire(ours, AT_ONCE)
        let_go(holder)
        lock.acquire(ours, AT_ONCE)


def test_a_killed_holder_leaves_nothing_locked(path: Path, hold: Hold) -> None:
    holder = hold("exclusive")
    hear(holder, "held")
    holder.kill()
    holder.wait()
    FileLock(path).acquire(True, AT_ONCE)


def test_a_forked_child_does_not_keep_a_killed_parents_lock(path: Path) -> None:
    lock = FileLock(path)
    read, write = os.pipe()
    parent = os.fork()
    if parent == 0:
        lock.acquire(True, AT_ONCE)
        if os.fork() == 0:
            os.write(write, b"%d\n" % os.getpid())
            time.sleep(20)
            os._exit(0)
        time.sleep(20)
        os._exit(0)
    grandchild = int(os.read(read, 20))
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    try:
        lock.acquire(True, AT_ONCE)
    finally:
        os.kill(grandchild, signal.SIGKILL)


def test_waiting_says_so_and_ends_when_the_lock_is_free(path: Path, hold: Hold) -> None:
    holder = hold("exclusive")
    hear(holder, "held")
    messages: list[str] = []

    def tell(message: str) -> None:
        messages.append(message)
        let_go(holder)

    FileLock(path).acquire(True, Patience(limit_s=20.0, tell=tell, quiet_s=0.05))
    assert messages == [f"energybench: waiting for the lock {path}, held by process {holder.pid}"]


def test_a_short_wait_is_quiet(path: Path, hold: Hold) -> None:
    holder = hold("exclusive")
    hear(holder, "held")
    messages: list[str] = []
    timer = threading.Timer(0.1, let_go, [holder])
    timer.start()
    FileLock(path).acquire(True, Patience(limit_s=20.0, tell=messages.append, quiet_s=10.0))
    timer.join()
    assert messages == []


def test_the_limit_is_kept(path: Path, hold: Hold) -> None:
    hear(hold("exclusive"), "held")
    start = time.monotonic()
    with pytest.raises(LockTimeoutError, match="raise the limit"):
        FileLock(path).acquire(True, Patience(limit_s=0.2, tell=lambda _: None))
    assert time.monotonic() - start >= 0.2


def test_it_nests_in_one_process(path: Path, hold: Hold) -> None:
    lock = FileLock(path)
    lock.acquire(True, AT_ONCE)
    lock.acquire(True, AT_ONCE)
    lock.acquire(False, AT_ONCE)
    lock.release(True)
    lock.release(False)
    waiting = hold("exclusive")
    hear(waiting, "waiting")
    lock.release(True)
    hear(waiting, "held")


def test_threads_of_one_process_do_not_wait_for_each_other(path: Path) -> None:
    lock = FileLock(path)
    lock.acquire(True, AT_ONCE)
    thread = threading.Thread(target=lock.acquire, args=(True, SOON))
    thread.start()
    thread.join(timeout=60)
    assert not thread.is_alive()


def test_shared_becomes_exclusive_and_shared_again(path: Path, hold: Hold) -> None:
    lock = FileLock(path)
    lock.acquire(False, AT_ONCE)
    lock.acquire(True, AT_ONCE)
    other = hold("shared")
    hear(other, "waiting")
    lock.release(True)
    hear(other, "held")  # beside what is left of ours
    with pytest.raises(LockTimeoutError):
        lock.acquire(True, AT_ONCE)
    third = hold("exclusive")
    hear(third, "waiting")
    let_go(other)
    assert is_silent(third)
    lock.release(False)  # still held after the failed try
    hear(third, "held")


def test_a_waiting_window_is_not_overtaken_for_ever(path: Path, hold: Hold) -> None:
    first = hold("shared")
    hear(first, "held")
    window = hold("exclusive")
    hear(window, "waiting")  # it stands in the gate now
    late = FileLock(path)
    with pytest.raises(LockTimeoutError):
        late.acquire(False, AT_ONCE)
    let_go(first)
    hear(window, "held")


CHILD = """
import sys
from pathlib import Path
from pytest_energybench.metering.locks import FileLock, Patience
lock = FileLock(Path(sys.argv[1]))
lock.acquire(sys.argv[2] == "exclusive", Patience(limit_s=1.0))
print(lock.inherited)
"""


@pytest.mark.parametrize("how", ["exclusive", "shared"])
def test_a_process_started_inside_a_window_is_part_of_it(path: Path, how: str) -> None:
    lock = FileLock(path)
    lock.acquire(True, AT_ONCE)
    command = [sys.executable, "-c", CHILD, str(path), how]
    inside = subprocess.run(command, capture_output=True, text=True, check=True)
    assert inside.stdout == "True\n"
    lock.release(True)
    after = subprocess.run(command, capture_output=True, text=True, check=True)
    assert after.stdout == "False\n"


def test_a_forked_child_inside_a_window_is_part_of_it(path: Path) -> None:
    lock = FileLock(path)
    lock.acquire(True, AT_ONCE)
    pid = os.fork()
    if pid == 0:
        lock.acquire(True, AT_ONCE)
        os._exit(9 if lock.inherited else 10)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9


def test_others_beside_a_shared_hold_are_noticed(path: Path, hold: Hold) -> None:
    lock = FileLock(path)
    lock.acquire(False, AT_ONCE)
    assert not lock.others()
    visitor = hold("shared")
    hear(visitor, "held")
    assert lock.others()
    let_go(visitor)
    assert lock.others()  # it was there


def test_a_deleted_file_is_made_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHECK_S", 0.0)
    lock = FileLock(path)
    lock.acquire(True, AT_ONCE)
    lock.release(True)
    path.unlink()
    lock.acquire(True, AT_ONCE)
    with pytest.raises(LockTimeoutError):
        FileLock(path).acquire(True, AT_ONCE)


def test_the_file_is_for_all_users(path: Path) -> None:
    before = os.umask(0o077)
    try:
        FileLock(path).acquire(True, AT_ONCE)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o666


def test_a_link_is_refused(path: Path) -> None:
    path.symlink_to(path.with_name("elsewhere"))
    with pytest.raises(OSError, match="Too many levels"):
        FileLock(path).acquire(True, AT_ONCE)


def test_a_process_has_one_object_per_file(path: Path) -> None:
    assert file_lock(path) is file_lock(path)
    assert file_lock(path) is not file_lock(path.with_name("other"))
