"""Who may work while a window is open."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pytest_energybench.metering.errors import LockTimeoutError
from pytest_energybench.metering.fake import FakeClock, FakeSource
from pytest_energybench.metering.locks import MachineLock, Patience
from pytest_energybench.metering.meter import Meter

IMPATIENT = Patience(limit_s=0.3, tell=lambda _: None)

OTHER = textwrap.dedent("""
    import sys
    from pytest_energybench.metering import locks as lock
    from pytest_energybench.metering.locks import MachineLock
    lock._ancestry = set  # a stranger, not a part of the process that started it
    what, *gpus = sys.argv[1:]
    exclusion = MachineLock(tuple(gpus))
    if what == "window":
        exclusion.enter()
    else:
        work = exclusion.heavy()  # kept, or it would end at once
        work.__enter__()
    print("in", flush=True)
    sys.stdin.readline()
    if what == "window":
        print(exclusion.leave(), flush=True)
""")

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Another process that has a `window` open or does `heavy` work, on GPUs if named."""
    started = []

    def begin(*args: str) -> subprocess.Popen[str]:
        other = subprocess.Popen(
            [sys.executable, "-c", OTHER, *args],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(other)
        assert other.stdout is not None
        assert other.stdout.readline() == "in\n"
        return other

    yield begin
    for other in started:
        other.kill()
        other.communicate()


def window(*gpus: str) -> str | None:
    """The flag of a window that opens and closes; LockTimeoutError if it can't."""
    exclusion = MachineLock(gpus, patience=IMPATIENT)
    exclusion.enter()
    return exclusion.leave()


def heavy(*gpus: str) -> None:
    with MachineLock(gpus, patience=IMPATIENT).heavy():
        pass


def test_windows_keep_each_other_away(start: Start) -> None:
    start("window")
    with pytest.raises(LockTimeoutError):
        window()


def test_heavy_work_goes_beside_heavy_work_but_no_window_does(start: Start) -> None:
    start("heavy")
    heavy()
    with pytest.raises(LockTimeoutError):
        window()


def test_a_window_keeps_heavy_work_away(start: Start) -> None:
    start("window")
    with pytest.raises(LockTimeoutError):
        heavy()


def test_gpus_of_their_own_go_side_by_side_and_share_the_processor(start: Start) -> None:
    other = start("window", "GPU-a")
    flag = window("GPU-b")
    assert flag is not None
    assert flag.startswith("cpu and memory shared")
    with pytest.raises(LockTimeoutError):
        window("GPU-a")
    assert other.communicate("\n")[0].startswith("cpu and memory shared")


def test_a_gpu_window_alone_shares_nothing(start: Start) -> None:
    assert window("GPU-a", "GPU-b") is None
    assert start("window", "GPU-a").communicate("\n")[0] == "None\n"


def test_a_processor_window_keeps_gpu_windows_away(start: Start) -> None:
    start("window")
    with pytest.raises(LockTimeoutError):
        window("GPU-a")


def test_heavy_work_on_another_gpu_is_no_hindrance(start: Start) -> None:
    start("heavy", "GPU-a")
    assert "shared" in str(window("GPU-b"))
    with pytest.raises(LockTimeoutError):
        window("GPU-a")


def test_a_failed_try_leaves_nothing_locked(start: Start) -> None:
    other = start("window", "GPU-b")
    with pytest.raises(LockTimeoutError):
        window("GPU-a", "GPU-b")
    start("window", "GPU-a")
    other.communicate("\n")


def test_windows_nest_and_heavy_work_may_be_inside() -> None:
    exclusion = MachineLock(patience=IMPATIENT)
    exclusion.enter()
    with exclusion.heavy():
        assert window() is None
    assert exclusion.leave() is None


def test_without_a_usable_folder_windows_say_that_they_may_overlap(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    exclusion = MachineLock(folder=tmp_path / "file" / "locks")
    assert exclusion.problem is not None
    assert "ENERGYBENCH_LOCK_DIR" in exclusion.problem.remedy
    clock = FakeClock()
    meter = Meter([FakeSource({"x": 1.0}, clock)], clock=clock, exclusion=exclusion)
    with meter.heavy_work(), meter.measure() as spoiled:
        clock.advance(1.0)
    assert spoiled.total_j == 1.0
    assert spoiled.flags[0].startswith("not exclusive")
    assert meter.problems == (exclusion.problem,)


def test_the_folder_is_for_all_users(locks: Path) -> None:
    MachineLock()
    assert locks.stat().st_mode & 0o7777 == 0o1777


def test_a_linked_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    problem = MachineLock(folder=tmp_path / "link").problem
    assert problem is not None
    assert "is a link" in problem


def test_a_meter_holds_the_lock_while_its_window_is_open(start: Start) -> None:
    clock = FakeClock()
    exclusion = MachineLock(patience=IMPATIENT)
    meter = Meter([FakeSource({"x": 1.0}, clock)], clock=clock, exclusion=exclusion)
    with meter.measure(), meter.measure():
        pass
    with meter.heavy_work():
        pass
    other = start("window")
    with pytest.raises(LockTimeoutError), meter.measure():
        pass
    other.communicate("\n")
    with meter.measure() as free:
        clock.advance(1.0)
    assert free.total_j == 1.0


def test_a_gpu_that_is_named_by_its_device_has_a_lock_of_its_own(tmp_path: Path) -> None:
    lock = MachineLock(("/dev/dri/renderD128",), folder=tmp_path)
    assert lock.problem is None
    lock.enter()
    assert (tmp_path / "gpu-_dev_dri_renderD128").is_file()
    lock.leave()
