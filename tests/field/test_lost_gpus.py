"""GPUs that are visible and can't be read, name themselves oddly, or whose driver hangs."""

from __future__ import annotations

import math
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pynvml
import pytest

from pytest_energybench.metering import nvml, patient
from pytest_energybench.metering.discovery import discover
from pytest_energybench.metering.fake import FakeClock
from pytest_energybench.metering.locks import Patience
from pytest_energybench.metering.meter import Meter
from pytest_energybench.metering.nvidia import SAMPLE_S, GpuSource
from pytest_energybench.metering.nvml import find_gpus
from tests.metering.conftest import FakeNvml

SOURCE = Path(__file__).with_name("nvml.c")
SUITE = """
import time
def test_sleep(energy):
    with energy.measure():
        time.sleep(0.1)
    energy.assert_below("1 kJ")
"""


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a stand-in for NVML's library."""
    if sys.platform != "linux" or shutil.which("gcc") is None:
        pytest.skip("needs gcc, to build a stand-in for NVML's library")
    folder = tmp_path_factory.mktemp("nvml")
    to = str(folder / "libnvidia-ml.so.1")
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", to, str(SOURCE)], check=True)
    return folder


@pytest.fixture
def driver(
    suite: pytest.Pytester, library: Path, monkeypatch: pytest.MonkeyPatch
) -> pytest.Pytester:
    """A suite on a machine with the stand-in's GPUs."""
    monkeypatch.setenv("LD_LIBRARY_PATH", str(library))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    suite.makepyfile(SUITE)
    return suite


def play(source: GpuSource, clock: FakeClock, device: dict[str, int], seconds: float) -> None:
    """Time at 100 W, with the ticks that a window's keeper would make."""
    for _ in range(round(seconds / SAMPLE_S)):
        clock.advance(SAMPLE_S)
        device["energy_mj"] += 10_000
        source.tick()


def test_healthy_gpus_are_metered_beside_a_lost_one_and_no_total_is_known(
    driver: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("N", "4")
    monkeypatch.setenv("LOST", "1")
    result = driver.runpytest_subprocess("--energy-json=run.json")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*gpu:1: lost before the window opened: GPU 1: GPU is lost*"])
    result = driver.runpytest_subprocess("--energy-allow-missing=gpu:1")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        ["without gpu:1, which was allowed to be missing", "meters: gpu:0 nvml*"]
    )
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,0")
    driver.runpytest_subprocess().assert_outcomes(passed=1)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    driver.runpytest_subprocess().assert_outcomes(failed=1)


def test_the_lost_one_keeps_its_number(
    fake_nvml: FakeNvml, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost, healthy = fake_nvml.add(gone=True), fake_nvml.add()
    found = find_gpus()
    assert ([gpu.index for gpu in found.gpus], list(found.lost)) == ([1], ["gpu:0"])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", f"{healthy['uuid']},{lost['uuid']}")
    found = find_gpus()
    assert ([gpu.index for gpu in found.gpus], list(found.lost)) == ([0], ["gpu:1"])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", healthy["uuid"])
    assert find_gpus().lost == {}


@pytest.mark.parametrize("facts", [{"mig": (1, 1)}, {"energy_mj": None, "average_mw": None}])
def test_whatever_keeps_a_visible_gpu_from_being_read_it_is_lost(
    fake_nvml: FakeNvml, facts: dict[str, object]
) -> None:
    fake_nvml.add(**facts)
    fake_nvml.add()
    assert list(find_gpus().lost) == ["gpu:0"]
    meter = discover("nvml", exclusive=False)
    with meter.measure() as window:
        pass
    assert list(window.energy_j) == ["gpu:1"]
    assert math.isnan(window.total_j)


@pytest.mark.parametrize(
    ("number", "lost"),
    [
        (pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH, ["gpu"]),
        (pynvml.NVML_ERROR_NO_PERMISSION, ["gpu"]),
        (pynvml.NVML_ERROR_UNKNOWN, ["gpu"]),
        (pynvml.NVML_ERROR_DRIVER_NOT_LOADED, []),
        (pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, []),
    ],
)
@pytest.mark.usefixtures("fake_nvml")
def test_a_driver_that_is_there_and_does_not_start_has_lost_its_gpus(
    monkeypatch: pytest.MonkeyPatch, number: int, lost: list[str]
) -> None:
    def fails() -> None:
        raise pynvml.NVMLError(number)

    monkeypatch.setattr(pynvml, "nvmlInit", fails)
    monkeypatch.setattr(nvml, "DEVICE_FILE", "/nowhere")
    assert list(find_gpus().lost) == lost
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert find_gpus().lost == {}


def test_a_sample_of_all_ones_is_no_power(fake_nvml: FakeNvml) -> None:
    device = fake_nvml.add(energy_mj=None)
    clock = FakeClock()
    source = GpuSource(find_gpus().gpus, clock=clock)
    with Meter([source], clock=clock).measure() as window:
        clock.advance(SAMPLE_S)
        source.tick()
        device["average_mw"] = 2**32 - 1
    assert math.isnan(window.total_j)
    (error,) = window.errors
    assert error.endswith("shows 4.295e+06 W where at most 600 W can be drawn, after 100 W")


@pytest.mark.parametrize("mj", [2**32, 2**64 - 1, 0])
def test_a_counter_that_jumps_is_lost(fake_nvml: FakeNvml, mj: int) -> None:
    device = fake_nvml.add()
    clock = FakeClock()
    source = GpuSource(find_gpus().gpus, clock=clock)
    with Meter([source], clock=clock).measure() as window:
        play(source, clock, device, 1.0)
        device["energy_mj"] = mj
    assert math.isnan(window.total_j)
    assert "1100.0 J to " in window.errors[0]


def test_a_counter_that_stands_still_is_lost(fake_nvml: FakeNvml) -> None:
    device = fake_nvml.add()
    clock = FakeClock()
    source = GpuSource(find_gpus().gpus, clock=clock)
    with Meter([source], clock=clock).measure() as window:
        play(source, clock, device, 5.0)
        clock.advance(2.0)
    assert "stood still at 1500.0 J for 2 s" in window.errors[0]


@pytest.mark.parametrize(
    ("raw", "shown"), [("f895a0", "\\xf8\\x95\\xa0"), ("1b5b324a41", "\\x1b[2JA"), ("41c3a9", "Aé")]
)
def test_a_name_that_is_no_text_is_shown_and_its_gpu_metered(
    driver: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, raw: str, shown: str
) -> None:
    monkeypatch.setenv("NAME", raw)
    monkeypatch.setenv("PYTHONIOENCODING", "utf-8")
    result = driver.runpytest_subprocess("--energy-json=run.json")
    result.assert_outcomes(passed=1)
    import json

    run = json.loads((driver.path / "run.json").read_text("utf-8"))
    assert run["machine"]["gpus"] == [shown]
    assert "gpu:0" in run["cases"][0]["energy_j"]


def test_a_driver_that_hangs_is_told_and_given_up(
    driver: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLEEP", "600")
    result = driver.runpytest_subprocess("--energy-wait=2s", timeout=60)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "energybench: waiting for the NVIDIA driver to answer, at most 2 s",
            "*gpu: lost before the window opened: NVML: the NVIDIA driver didn't answer within 2*",
        ]
    )
    result = driver.runpytest_subprocess("--energy-meters=estimate", timeout=60)
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*NVIDIA*")


def test_who_waits_is_told_after_a_second_and_only_once() -> None:
    told: list[str] = []
    hangs = threading.Event()
    patience = Patience(limit_s=0.1, quiet_s=0.05, tell=told.append)
    try:
        for why in ("didn't answer within 0.1 s", "still doesn't answer"):
            with pytest.raises(TimeoutError, match=f"the thing {why}"):
                patient.finished("test", "the thing", hangs.wait, patience)
    finally:
        hangs.set()
    assert told == ["energybench: waiting for the thing to answer, at most 0.1 s"]
    end = time.monotonic() + 10.0
    while patient._hanging["test"].is_alive() and time.monotonic() < end:
        time.sleep(0.01)
    assert patient.finished("test", "the thing", lambda: 7, patience._replace(limit_s=60.0)) == 7
    with pytest.raises(ValueError, match="no"):
        patient.finished("test", "it", lambda: int("no"), patience._replace(limit_s=60.0))


def test_the_old_package_is_told_and_the_counter_read(
    fake_nvml: FakeNvml, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_nvml.add(name=b"Old GPU", uuid=b"GPU-1", instant_mw=5)
    monkeypatch.delattr(pynvml, "NVML_FI_DEV_POWER_INSTANT")
    found = find_gpus()
    (gpu,), (problem,) = found.gpus, found.problems
    assert (gpu.name, gpu.uuid, gpu.has_counter, gpu.power_w()) == ("Old GPU", "GPU-1", True, 100.0)
    assert "an old package `pynvml` hides nvidia-ml-py" in problem
    assert "pip uninstall pynvml" in problem.remedy
