"""GPUs through pynvml's functions."""

from __future__ import annotations

import pynvml
import pytest

from pytest_energybench.metering import nvml
from pytest_energybench.metering.nvml import NvmlFailedError, find_gpus, gpu_names
from tests.metering.conftest import FakeNvml


def test_no_driver_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvml, "driver_is_loaded", lambda: False)
    found = find_gpus()
    assert found.gpus == ()
    assert [problem.what for problem in found.problems] == ["NVML"]


def test_the_driver_is_looked_for_without_loading_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvml, "DRIVER_FILES", ("/nowhere/nvidiactl",))
    assert not nvml.driver_is_loaded()
    monkeypatch.setattr(nvml, "DRIVER_FILES", ("/nowhere", "/dev/null"))
    assert nvml.driver_is_loaded()


@pytest.mark.usefixtures("fake_nvml")
def test_an_initialisation_that_fails_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_DRIVER_NOT_LOADED)

    monkeypatch.setattr(pynvml, "nvmlInit", fails)
    (problem,) = find_gpus().problems
    assert "Driver Not Loaded" in problem
    assert "nvidia-smi" in problem.remedy


def test_gpus_come_in_the_order_that_cuda_gives_them(
    fake_nvml: FakeNvml, monkeypatch: pytest.MonkeyPatch
) -> None:
    for letter in "ABC":
        fake_nvml.add(name=f"GPU {letter}")
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    assert gpu_names() == ["GPU A", "GPU B", "GPU C"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,GPU-00")
    found = find_gpus()
    assert [(gpu.index, gpu.name) for gpu in found.gpus] == [(0, "GPU C"), (1, "GPU A")]
    assert found.problems == ()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert find_gpus().gpus == ()


def test_mixed_gpus_need_a_defined_order(
    fake_nvml: FakeNvml, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUDA_DEVICE_ORDER", raising=False)
    fake_nvml.add(name="small")
    fake_nvml.add(name="large")
    (problem,) = find_gpus().problems
    assert "CUDA_DEVICE_ORDER" in problem.remedy


def test_a_gpu_in_mig_mode_is_refused_by_name(fake_nvml: FakeNvml) -> None:
    fake_nvml.add(name="NVIDIA A100", mig=(1, 1))
    fake_nvml.add(name="NVIDIA A100", mig=(0, 0))
    found = find_gpus()
    assert [gpu.index for gpu in found.gpus] == [1]
    (problem,) = found.problems
    assert problem.what == "GPU 0 (NVIDIA A100)"
    assert "MIG is on" in problem.why


def test_a_gpu_that_does_not_say_whether_it_is_sliced_is_lost(fake_nvml: FakeNvml) -> None:
    fake_nvml.add(name="NVIDIA A100", mig=pynvml.NVMLError(pynvml.NVML_ERROR_NO_PERMISSION))
    found = find_gpus()
    assert found.gpus == ()
    assert "doesn't say whether MIG is on" in found.lost["gpu:0"].why


def test_what_a_gpu_can_do_is_found_out(fake_nvml: FakeNvml) -> None:
    fake_nvml.add(instant_mw=123_000)
    fake_nvml.add(energy_mj=None)
    fake_nvml.add(energy_mj=None, average_mw=None)
    found = find_gpus()
    counter, sampled = found.gpus
    assert (counter.has_counter, counter.power_w()) == (True, 123.0)
    assert counter.power_field == "instantaneous power"
    assert (sampled.has_counter, sampled.has_power, sampled.power_w()) == (False, True, 100.0)
    assert sampled.power_field == "power, averaged by the device"
    assert found.problems == ("GPU 2 (Fake GPU): shows neither energy nor power",)


def test_joules_come_from_millijoules(fake_nvml: FakeNvml) -> None:
    fake_nvml.add(energy_mj=1_234_567)
    assert find_gpus().gpus[0].energy_j() == 1234.567


def test_a_gpu_that_is_gone_raises(fake_nvml: FakeNvml) -> None:
    device = fake_nvml.add(instant_mw=1)
    (gpu,) = find_gpus().gpus
    device["gone"] = True
    with pytest.raises(NvmlFailedError, match="lost"):
        gpu.energy_j()
    with pytest.raises(NvmlFailedError, match="lost"):
        gpu.power_w()


def test_a_missing_limit_is_no_limit(fake_nvml: FakeNvml) -> None:
    fake_nvml.add(limit_mw=None)
    fake_nvml.add(limit_mw=250_000)
    assert [gpu.limit_w for gpu in find_gpus().gpus] == [0.0, 250.0]
