"""CPU seconds of the process tree: children that came and went, orphans, and none counted twice."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator

import pytest

from pytest_energybench.metering.cpu_time import LinuxCpuTime, PortableCpuTime, cpu_time
from pytest_energybench.metering.load_monitor import CpuSample, impossible

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

BURN = "import time\nwhile time.process_time() < {}: pass\n"


def burn(seconds: float) -> None:
    """Use CPU seconds in this thread."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def burning(seconds: float, then: str = "") -> subprocess.Popen[bytes]:
    """A child that uses about `seconds` of CPU time, and says when it has."""
    code = BURN.format(seconds) + "print('done', flush=True)\n" + then
    return subprocess.Popen([sys.executable, "-S", "-c", code], stdout=subprocess.PIPE)


def reaped_s() -> float:
    """CPU seconds of children that were waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def clock_s(child: subprocess.Popen[bytes]) -> float:
    """CPU seconds of a live child."""
    return time.clock_gettime((~child.pid << 3) | 2)


def wait_for_word(child: subprocess.Popen[bytes]) -> None:
    assert child.stdout is not None
    assert child.stdout.readline() == b"done\n"


@pytest.fixture
def sleeping() -> Iterator[subprocess.Popen[bytes]]:
    """A child that burned 0.2 s and sleeps."""
    child = burning(0.2, "import time; time.sleep(60)")
    yield child
    child.kill()
    child.communicate()


def test_own_work_in_any_thread() -> None:
    cpu = LinuxCpuTime()
    begin = cpu.tree_s()
    thread = threading.Thread(target=burn, args=(0.1,))
    thread.start()
    burn(0.1)
    thread.join()
    assert cpu.tree_s() - begin == pytest.approx(0.2, abs=0.05)


def test_sleeping_costs_nothing() -> None:
    cpu = LinuxCpuTime()
    begin = cpu.tree_s()
    time.sleep(0.2)
    assert cpu.tree_s() - begin < 0.02


def test_a_child_that_came_and_went() -> None:
    cpu = LinuxCpuTime()
    begin = cpu.tree_s()
    used = reaped_s() + time.process_time()
    burning(0.2).communicate()
    spent = cpu.tree_s() - begin
    assert spent == pytest.approx(reaped_s() + time.process_time() - used, abs=0.03)


def test_a_live_child(sleeping: subprocess.Popen[bytes]) -> None:
    cpu = LinuxCpuTime()  # whatever the child did before is in its first reading
    before, begin = clock_s(sleeping), cpu.tree_s()
    wait_for_word(sleeping)
    spent, used = cpu.tree_s() - begin, clock_s(sleeping)
    assert spent == pytest.approx(used - before, abs=0.05)


def test_a_child_seen_alive_and_waited_for_counts_once(
    sleeping: subprocess.Popen[bytes],
) -> None:
    cpu = LinuxCpuTime()
    wait_for_word(sleeping)
    alive = cpu.tree_s()
    sleeping.kill()
    zombie = cpu.tree_s()
    sleeping.wait()
    waited = cpu.tree_s()
    assert zombie - alive < 0.05
    assert -1e-9 < waited - zombie < 0.05


def test_a_child_that_nobody_waits_for_is_kept() -> None:
    """With SIGCHLD ignored the kernel throws a child's seconds away."""
    cpu = LinuxCpuTime()
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        child = burning(0.2, "import time; time.sleep(60)")
        begin = cpu.tree_s()
        wait_for_word(child)
        seen = cpu.tree_s()
        child.kill()
        child.communicate()
        gone = cpu.tree_s()
    finally:
        signal.signal(signal.SIGCHLD, before)
    assert seen - begin > 0.1
    assert gone >= seen


def test_a_grandchild_is_in_the_tree() -> None:
    inner = BURN.format(0.2) + "print('done', flush=True); time.sleep(60)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-S', '-c', {inner!r}])"
    cpu = LinuxCpuTime()
    begin = cpu.tree_s()
    child = subprocess.Popen(
        [sys.executable, "-S", "-c", code], stdout=subprocess.PIPE, start_new_session=True
    )
    try:
        wait_for_word(child)
        assert cpu.tree_s() - begin > 0.2
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()


ORPHANS = textwrap.dedent("""
    import ctypes, os, subprocess, sys, time
    from pathlib import Path
    PR_SET_CHILD_SUBREAPER = 36
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)  # this process is init to those below
    metering = os.fork()
    while metering:
        pid, status = os.wait()
        if pid == metering:
            sys.exit(os.waitstatus_to_exitcode(status))

    from pytest_energybench.metering.cpu_time import LinuxCpuTime
    burn = "import time\\nwhile time.process_time() < 0.3: pass\\nprint('done', flush=True)"
    burn += "\\ntime.sleep(600)"
    number, done, go = (os.pipe() for _ in range(3))
    cpu = LinuxCpuTime()
    begin = cpu.tree_s() - time.process_time()
    child = os.fork()
    if child == 0:
        orphan = subprocess.Popen([sys.executable, "-S", "-c", burn], stdout=done[1])
        os.write(number[1], b"%d" % orphan.pid)
        os.read(go[0], 1)
        os._exit(0)
    pid = int(os.read(number[0], 20))
    if sys.argv[1] == "seen":
        cpu.tree_s()
    os.write(go[1], b"x")
    os.waitpid(child, 0)
    os.read(done[0], 5)
    used = time.clock_gettime((~pid << 3) | 2)
    alive = cpu.tree_s() - begin - time.process_time()
    os.kill(pid, 9)
    while Path(f"/proc/{pid}").exists():
        time.sleep(0.001)
    print(used, alive, cpu.tree_s() - begin - time.process_time())
""")


@pytest.mark.parametrize("when", ["seen", "unseen"])
def test_an_orphan_that_init_adopts_stays_in_the_tree(when: str) -> None:
    run = subprocess.run(
        [sys.executable, "-c", ORPHANS, when],
        capture_output=True,
        text=True,
        check=True,
        start_new_session=True,
        timeout=120,
    )
    used, alive, gone = map(float, run.stdout.split())
    assert used >= 0.3
    assert alive >= used - 0.01
    assert gone >= alive - 0.01


def test_a_forked_child_counts_on() -> None:
    cpu = LinuxCpuTime()
    burn(0.05)
    before = cpu.tree_s()
    pid = os.fork()
    if pid == 0:
        begin = cpu.tree_s()
        burn(0.1)
        spent = cpu.tree_s() - begin
        os._exit(7 if begin >= before and 0.08 < spent < 0.3 else 8)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7


def test_it_never_goes_back_while_children_come_and_go() -> None:
    cpu = LinuxCpuTime()
    used = reaped_s() + time.process_time()
    children = [burning(0.05) for _ in range(6)]
    readings = []
    while children:
        readings.append(cpu.tree_s())
        children = [child for child in children if child.poll() is None]
    assert readings == sorted(readings)
    spent = cpu.tree_s() - readings[0]
    assert spent < reaped_s() + time.process_time() - used + 6 * 0.01


def test_the_machine_is_at_least_as_busy_as_we_are() -> None:
    cpu = LinuxCpuTime()
    begin = CpuSample(time.monotonic(), cpu.busy_s(), cpu.tree_s())
    burn(0.3)
    end = CpuSample(time.monotonic(), cpu.busy_s(), cpu.tree_s())
    assert impossible(begin, end, os.cpu_count() or 1, cpu.tick_s) is None
    assert end.busy_s > begin.busy_s


def test_the_portable_reader_agrees() -> None:
    begin = PortableCpuTime().tree_s()
    portable, exact = PortableCpuTime(), LinuxCpuTime()
    exact_begin = exact.tree_s()
    burn(0.2)
    burning(0.2).communicate()
    assert portable.tree_s() - begin == pytest.approx(exact.tree_s() - exact_begin, abs=0.1)
    assert portable.busy_s() > 0.0


def test_linux_is_read_directly() -> None:
    assert isinstance(cpu_time(), LinuxCpuTime)


BESIDE = textwrap.dedent("""
    import sys, time
    from pytest_energybench.metering.cpu_time import {reader}
    alone, both = {reader}(), {reader}([int(sys.argv[1])])
    begin = alone.tree_s(), both.tree_s()
    print("ready", flush=True)
    sys.stdin.readline()
    print(alone.tree_s() - begin[0], both.tree_s() - begin[1], flush=True)
    sys.stdin.readline()
    print(both.tree_s() - begin[1])
""")


@pytest.mark.parametrize("reader", ["LinuxCpuTime", "PortableCpuTime"])
def test_processes_beside_this_one_count_where_they_belong_to_the_work(reader: str) -> None:
    mate = subprocess.Popen(
        [sys.executable, "-S", "-c", "input()\n" + BURN.format(0.5) + "print('done')\ninput()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    looking = subprocess.Popen(
        [sys.executable, "-c", BESIDE.format(reader=reader), str(mate.pid)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with mate, looking:
        assert mate.stdin
        assert mate.stdout
        assert looking.stdin
        assert looking.stdout
        assert looking.stdout.readline() == "ready\n"
        mate.stdin.write("\n")
        mate.stdin.flush()
        assert mate.stdout.readline() == "done\n"
        looking.stdin.write("\n")
        looking.stdin.flush()
        alone, both = map(float, looking.stdout.readline().split())
        assert alone < 0.2
        assert both > 0.4
        mate.kill()
        mate.wait()
        looking.stdin.write("\n")
        looking.stdin.flush()
        assert float(looking.stdout.readline()) >= both - 0.02  # what it has used is not lost
