"""Made hardware: powercap trees of files, and NVML at pynvml's function boundary."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pynvml
import pytest

from pytest_energybench.base.flags import beginning
from pytest_energybench.metering import nvml
from pytest_energybench.metering.meter import Meter
from pytest_energybench.metering.window import Edge, Window

RANGE_UJ = 262_143_328_850


class Seconds:
    """CPU seconds that a test sets; `busy` is what the machine used beside the tree."""

    step_s = 1e-9
    tick_s = 0.01

    def __init__(self) -> None:
        self.tree, self.busy, self.looks = 100.0, 1000.0, 0

    def tree_s(self) -> float:
        self.looks += 1
        return self.tree

    def busy_s(self) -> float:
        return self.tree + self.busy


class Tree:
    """A powercap tree whose counters a test sets."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def add(
        self, zone: str, name: str, energy_uj: int = 0, range_uj: int | None = RANGE_UJ
    ) -> Path:
        """Make zone `intel-rapl:0` or `intel-rapl:0:1`; returns its counter's file."""
        folder = self.root / zone
        folder.mkdir(parents=True)
        (folder / "name").write_text(f"{name}\n")
        if range_uj is not None:
            (folder / "max_energy_range_uj").write_text(f"{range_uj}\n")
        self.set(zone, energy_uj)
        return self.energy(zone)

    def energy(self, zone: str) -> Path:
        return self.root / zone / "energy_uj"

    def set(self, zone: str, energy_uj: int) -> None:
        """Make the counter show `energy_uj`; in place, as the kernel does."""
        self.write(zone, f"{energy_uj}\n")

    def write(self, zone: str, text: str) -> None:
        self.energy(zone).write_text(text)

    def grow(self, zone: str, joules: float) -> None:
        """Let the counter count `joules`, around the corner where it has to."""
        value = int(self.energy(zone).read_text()) + round(joules * 1e6)
        self.set(zone, value % RANGE_UJ)


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    """An empty powercap tree in place of the system's."""
    root = tmp_path / "powercap"
    root.mkdir()
    monkeypatch.setenv("ENERGYBENCH_POWERCAP_ROOT", str(root))
    return Tree(root)


@pytest.fixture
def two_packages(tree: Tree) -> Tree:
    """Two packages with dram."""
    for package in (0, 1):
        tree.add(f"intel-rapl:{package}", f"package-{package}", 5_000_000_000 * (package + 1))
        tree.add(f"intel-rapl:{package}:0", "dram", 1_000_000_000 * (package + 1))
    return tree


class FakeNvml:
    """A driver with GPUs, at the boundary where pynvml calls the C library."""

    def __init__(self) -> None:
        self.gpus: list[dict[str, Any]] = []

    def add(self, **facts: Any) -> dict[str, Any]:
        """A GPU; `energy_mj`, `instant_mw` or `average_mw` of None means not supported."""
        number = len(self.gpus)
        gpu = {
            "name": "Fake GPU",
            "uuid": f"GPU-{number}{number}aa0000-0000",
            "energy_mj": 1_000_000,
            "instant_mw": None,
            "average_mw": 100_000,
            "limit_mw": 300_000,
            "capability": (8, 6),
            "mig": None,
            "gone": False,
            **facts,
        }
        self.gpus.append(gpu)
        return gpu

    def get(self, fact: str) -> Callable[[dict[str, Any]], Any]:
        def function(gpu: dict[str, Any]) -> Any:
            if gpu["gone"]:
                raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)
            if gpu[fact] is None:
                raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
            if isinstance(gpu[fact], pynvml.NVMLError):
                raise gpu[fact]
            return gpu[fact]

        return function

    def fields(self, gpu: dict[str, Any], ids: list[int]) -> list[pynvml.c_nvmlFieldValue_t]:
        assert ids == [pynvml.NVML_FI_DEV_POWER_INSTANT]
        if gpu["gone"]:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)
        value = pynvml.c_nvmlFieldValue_t()
        if gpu["instant_mw"] is None:
            value.nvmlReturn = pynvml.NVML_ERROR_NOT_SUPPORTED
        else:
            value.nvmlReturn = pynvml.NVML_SUCCESS
            value.value.uiVal = gpu["instant_mw"]
        return [value]


@pytest.fixture
def fake_nvml(monkeypatch: pytest.MonkeyPatch) -> FakeNvml:
    """A driver without GPUs; add some."""
    fake = FakeNvml()
    monkeypatch.setattr(nvml, "driver_is_loaded", lambda: True)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    for name, function in {
        "nvmlInit": lambda: None,
        "nvmlDeviceGetCount": lambda: len(fake.gpus),
        "nvmlDeviceGetHandleByIndex": lambda index: fake.gpus[index],
        "nvmlDeviceGetName": fake.get("name"),
        "nvmlDeviceGetUUID": fake.get("uuid"),
        "nvmlDeviceGetTotalEnergyConsumption": fake.get("energy_mj"),
        "nvmlDeviceGetPowerUsage": fake.get("average_mw"),
        "nvmlDeviceGetEnforcedPowerLimit": fake.get("limit_mw"),
        "nvmlDeviceGetCudaComputeCapability": fake.get("capability"),
        "nvmlDeviceGetMigMode": fake.get("mig"),
        "nvmlDeviceGetFieldValues": fake.fields,
    }.items():
        monkeypatch.setattr(pynvml, name, function)
    return fake


@pytest.fixture(autouse=True)
def locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Locks of the test's own, so that suites running side by side don't wait for each other."""
    folder = tmp_path / "locks"
    monkeypatch.setenv("ENERGYBENCH_LOCK_DIR", str(folder))
    return folder


@pytest.fixture(autouse=True)
def flags_with_a_meaning(monkeypatch: pytest.MonkeyPatch) -> None:
    """In all these tests: a flag that gates wouldn't know fails the test that met it."""
    leave = Meter.leave

    def checked(meter: Meter, window: Window, begin: Edge) -> Edge:
        edge = leave(meter, window, begin)
        if all(type(each).__module__.startswith("pytest_energybench.") for each in meter.sources):
            unknown = [flag for flag in window.flags if beginning(flag) is None]
            assert not unknown, f"of no meaning in base.flags: {unknown}"
        return edge

    monkeypatch.setattr(Meter, "leave", checked)
