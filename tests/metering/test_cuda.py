"""GPU work in flight is waited for, and torch is never imported for it."""

from __future__ import annotations

import math
import subprocess
import sys
from types import SimpleNamespace

import pytest

from pytest_energybench.metering.fake import FakeMeter
from pytest_energybench.metering.nvidia import finish_gpu_work


class Cuda:
    """What torch.cuda shows of itself."""

    def __init__(self, initialized: bool = True, fails: bool = False) -> None:
        self.initialized, self.fails = initialized, fails
        self.waited_for: list[int] = []

    def is_initialized(self) -> bool:
        return self.initialized

    def device_count(self) -> int:
        return 2

    def synchronize(self, device: int) -> None:
        if self.fails:
            raise RuntimeError("CUDA error: an illegal memory access\nmore lines")
        self.waited_for.append(device)


def install(monkeypatch: pytest.MonkeyPatch, cuda: Cuda) -> Cuda:
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    return cuda


def test_both_edges_wait_for_every_device(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = install(monkeypatch, Cuda())
    with FakeMeter().measure():
        assert cuda.waited_for == [0, 1]
    assert cuda.waited_for == [0, 1, 0, 1]


def test_cuda_that_is_not_used_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = install(monkeypatch, Cuda(initialized=False))
    assert finish_gpu_work() is None
    assert cuda.waited_for == []


def test_a_torch_that_is_being_imported_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace())
    assert finish_gpu_work() is None


def test_failed_work_is_an_error_of_the_window(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, Cuda(fails=True))
    meter = FakeMeter()
    with meter.measure() as window:
        meter.clock.advance(1.0)
    assert math.isnan(window.total_j)
    assert set(window.errors) == {"GPU work in flight failed: CUDA error: an illegal memory access"}


def test_torch_is_never_imported_for_it() -> None:
    code = (
        "import sys\nfrom pytest_energybench.metering import measure\n"
        "with measure() as w: pass\nprint('torch' in sys.modules, w.total_j > 0)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "False True\n"
