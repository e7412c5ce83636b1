"""NVML: which GPUs there are, which of them this process may use, and what each can tell."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from pytest_energybench.base.system import LINUX, WINDOWS
from pytest_energybench.base.text import sanitize
from pytest_energybench.exceptions import EnergyBenchError
from pytest_energybench.metering.errors import Problem
from pytest_energybench.metering.locks import Patience

T = TypeVar("T")

VARIABLE = "CUDA_VISIBLE_DEVICES"
"""Indices or UUIDs, the latter as short as is still unique; unset means all, empty means none; the
list ends at its first invalid entry (CUDA C++ Programming Guide, "CUDA Environment Variables")."""
NO_SLICE = "NVML has no energy of a MIG slice, and the whole GPU's isn't this process's alone"
SEE = "see what `nvidia-smi` says"
SLICE_CURE = "`sudo nvidia-smi -mig 0` turns MIG off"


class Visible(NamedTuple):
    """What the variable leaves.

    Attributes:
        indices: of the devices as NVML counts them, in CUDA's order.
        problem: what is wrong with the variable, if anything.
        is_used: whether CUDA uses what the problem is about, so that joules go there.
    """

    indices: tuple[int, ...]
    problem: Problem | None = None
    is_used: bool = False


def visible_devices(setting: str | None, uuids: Sequence[str]) -> Visible:
    """Indices into `uuids` of the devices that CUDA sees.

    Args:
        setting: the variable's value; None if it isn't set.
        uuids: of all devices of the machine (`GPU-...`), in NVML's order; empty if one doesn't
            answer.
    """
    if setting is None:
        return Visible(tuple(range(len(uuids))))
    found: list[int] = []
    for entry in setting.split(",") if setting.strip() else ():
        word = entry.strip()
        if word.startswith("MIG-"):
            return Visible(tuple(found), Problem(f"GPU {word}", NO_SLICE, SLICE_CURE), True)
        index = _index(word, uuids)
        if index is None:
            if word == "-1":  # the customary way to hide what follows
                break
            if word.startswith("GPU-") and not all(uuids):
                why = f"{VARIABLE} may name the GPU that doesn't answer"
                return Visible(tuple(found), Problem(f"GPU {word}", why), True)
            why = f"{VARIABLE}={setting} names no such GPU; CUDA's list ends there"
            return Visible(tuple(found), Problem(f"GPU {word}", why))
        if index not in found:  # named twice is still one GPU's joules
            found.append(index)
    return Visible(tuple(found))


def _index(word: str, uuids: Sequence[str]) -> int | None:
    if word.isdigit():
        return int(word) if int(word) < len(uuids) else None
    if not word.startswith("GPU-"):
        return None
    matches = [i for i, uuid in enumerate(uuids) if uuid.startswith(word)]
    return matches[0] if len(matches) == 1 else None


DRIVER_FILES = ("/dev/nvidiactl", "/proc/driver/nvidia", "/dev/dxg")
"""One of these exists where the driver is loaded (the last one under WSL)."""
DEVICE_FILE = DRIVER_FILES[0]
"""Where it exists, this process can use a GPU, whether NVML answers or not."""
LIBRARY = "libnvidia-ml.so.1"
MOST_WATTS = 5000.0
"""More than any one GPU draws; the largest modules are rated at 1,400 W (two of them: 2,800 W)."""
HEADROOM = 2.0
"""The limit is kept on average over some milliseconds; bursts go beyond it."""
START_LIMIT_S = 60.0
"""A driver that isn't kept loaded takes a second or two for each GPU to start."""
UNCOUNTED = "gpu"
"""Domain of GPUs that are there in unknown number."""


LOOKED_AT: Mapping[tuple[int, int], float] = {(8, 0): 0.25, (9, 0): 0.25}
"""Compute capability of a chip -> the share of the time that its power sensor looks at.

    chip         measured on   looks for   in every    share
    GA100, 8.0   A100          25 ms       100 ms      25 %
    GH100, 9.0   H100          25 ms       100 ms      25 %

Yang, Adamek and Armour, "Accurate and Convenient Energy Measurements for GPUs", SC24,
doi:10.1109/SC41406.2024.00028; as a preprint "Part-time Power Measurements: nvidia-smi's Lack of
Attention", arXiv:2312.02741. Other cards with these chips are taken to do as these. Of chips that
are not here nothing is known here, which is not to say that they look all the time."""


class NvmlFailedError(EnergyBenchError, OSError):
    """NVML answered with an error, e.g. because the device fell off the bus."""


_SLOWDOWNS = {0x40: "too hot", 0x20: "too hot", 0x80: "external power brake", 0x08: "slowdown"}
"""Bits of nvmlDeviceGetCurrentClocksThrottleReasons that are no way to work by: HW thermal, SW
thermal, HW power brake, HW slowdown of any cause. At its power limit a GPU is at each full load."""


class GpuState(NamedTuple):
    """A GPU at one moment; what it doesn't tell is None.

    Attributes:
        clock_mhz: of its multiprocessors.
        limit_w: the most it may draw; 0.0 if it doesn't say.
        slowdown: why it slows itself down right now; empty if it doesn't.
        slowed_s: seconds for which heat has slowed it down since the driver was loaded.
    """

    temperature_c: int | None
    clock_mhz: int | None
    limit_w: float
    slowdown: str
    slowed_s: float | None


class Gpu:
    """One GPU.

    Attributes:
        index: number of its domain: its place among the visible GPUs.
        name: e.g. `NVIDIA A100-SXM4-80GB`.
        uuid: e.g. `GPU-8932f937-...`.
        has_counter: it counts its own energy (Volta and newer).
        has_power: it shows its power.
        limit_w: the most it may draw, in watts; 0.0 if it doesn't say.
        unseen: share of the time that its power sensor is known not to look at.
    """

    def __init__(self, nvml: Any, handle: Any, index: int) -> None:
        self._nvml = nvml
        self._handle = handle
        self.index = index
        self.name = _text(nvml.nvmlDeviceGetName, handle)
        self.uuid = _text(nvml.nvmlDeviceGetUUID, handle)
        self.has_counter = self._works(self.energy_j)
        self._is_instant = not is_outdated(nvml) and self._works(self._instant_w)
        self.has_power = self._is_instant or self._works(self._average_w)
        self.limit_w = self._limit_w()
        self.unseen = 1.0 - LOOKED_AT.get(self._capability(), 1.0)

    def energy_j(self) -> float:
        """Joules since the driver was loaded (nvmlDeviceGetTotalEnergyConsumption, in mJ).

        Raises:
            NvmlFailedError: the device can't say (any more).
        """
        return int(self._asked(self._nvml.nvmlDeviceGetTotalEnergyConsumption)) / 1e3

    def power_w(self) -> float:
        """Watts now: of this instant where the device shows that, else its own running average.

        Raises:
            NvmlFailedError: the device can't say (any more).
        """
        return self._instant_w() if self._is_instant else self._average_w()

    @property
    def power_field(self) -> str:
        """Which figure `power_w` is, for people."""
        return "instantaneous power" if self._is_instant else "power, averaged by the device"

    def _instant_w(self) -> float:
        """From Ampere on, the plain power figure is an average over a second; this one isn't."""
        nvml = self._nvml
        (field,) = self._asked(nvml.nvmlDeviceGetFieldValues, [nvml.NVML_FI_DEV_POWER_INSTANT])
        if field.nvmlReturn != nvml.NVML_SUCCESS:
            raise NvmlFailedError(str(nvml.NVMLError(field.nvmlReturn)))
        return int(field.value.uiVal) / 1e3

    def _average_w(self) -> float:
        return int(self._asked(self._nvml.nvmlDeviceGetPowerUsage)) / 1e3

    def _asked(self, ask: Callable[..., T], *args: object) -> T:
        try:
            return ask(self._handle, *args)
        except self._nvml.NVMLError as error:
            raise NvmlFailedError(str(error)) from error

    def _capability(self) -> tuple[int, int]:
        major, minor = self._told(self._nvml.nvmlDeviceGetCudaComputeCapability) or (0, 0)
        return int(major), int(minor)

    def _limit_w(self) -> float:
        limit_w = int(self._told(self._nvml.nvmlDeviceGetEnforcedPowerLimit) or 0) / 1e3
        return limit_w if limit_w <= MOST_WATTS else 0.0

    def state(self) -> GpuState:
        """Temperature, clock, limit and what slows it down, now."""
        nvml = self._nvml
        reasons = self._told(nvml.nvmlDeviceGetCurrentClocksThrottleReasons) or 0
        heat = self._told(nvml.nvmlDeviceGetViolationStatus, nvml.NVML_PERF_POLICY_THERMAL)
        return GpuState(
            self._told(nvml.nvmlDeviceGetTemperature, nvml.NVML_TEMPERATURE_GPU),
            self._told(nvml.nvmlDeviceGetClockInfo, nvml.NVML_CLOCK_SM),
            self._limit_w(),
            next((word for bit, word in _SLOWDOWNS.items() if reasons & bit), ""),
            None if heat is None else heat.violationTime / 1e9,
        )

    def _told(self, ask: Callable[..., T], *args: object) -> T | None:
        try:
            return ask(self._handle, *args)
        except self._nvml.NVMLError:  # not supported, or gone: its meter tells
            return None

    @property
    def most_w(self) -> float:
        """More watts than it can draw: figures above are wrong."""
        return min(MOST_WATTS, HEADROOM * self.limit_w) if self.limit_w else MOST_WATTS

    def _works(self, read: Any) -> bool:
        try:
            read()
        except NvmlFailedError:
            return False
        return True


class Gpus(NamedTuple):
    """The GPUs to be metered, and why others aren't.

    Attributes:
        gpus: those that answer.
        problems: what can't be metered, why, and the remedy.
        lost: domain -> why it can't be read though this process can use it.
    """

    gpus: tuple[Gpu, ...] = ()
    problems: tuple[Problem, ...] = ()
    lost: Mapping[str, Problem] = {}


def find_gpus(setting: str | None = None, patience: Patience | None = None) -> Gpus:
    """The visible GPUs, numbered as CUDA numbers them.

    Args:
        setting: as `CUDA_VISIBLE_DEVICES`, which is read by default.
        patience: how long the driver may take, and whom to tell.
    """
    setting = os.environ.get(VARIABLE) if setting is None else setting
    if setting is not None and setting.strip() in ("", "-1"):
        return Gpus()  # none is visible, so none is asked for
    if not driver_is_loaded():
        return Gpus(
            problems=(Problem("NVML", "no NVIDIA driver here, so no GPU is metered", absent=True),)
        )
    try:
        import pynvml  # type: ignore[import-untyped]
    except ImportError as error:
        why = f"its binding can't be loaded, so no GPU is metered: {error}"
        problem = Problem("NVML", why, "use a Python with ctypes, and install nvidia-ml-py")
        return Gpus(problems=(problem,), lost={UNCOUNTED: problem})

    from pytest_energybench.metering.patient import finished

    try:
        patience = patience or Patience()
        patience = patience._replace(limit_s=min(patience.limit_s, START_LIMIT_S))
        devices = finished("NVML", "the NVIDIA driver", lambda: _devices(pynvml), patience)
    except (pynvml.NVMLError, TimeoutError) as error:
        is_there = not _means_absent(pynvml, error)
        problem = Problem("NVML", str(error), SEE, absent=not is_there)
        return Gpus(problems=(problem,), lost={UNCOUNTED: problem} if is_there else {})
    found = _Finding(pynvml, devices)
    found.look(setting)
    gpu_kinds = {gpu.name for gpu in found.gpus}
    if len(gpu_kinds) > 1 and os.environ.get("CUDA_DEVICE_ORDER") != "PCI_BUS_ID":
        found.problems.append(
            Problem(
                "NVML",
                "GPUs of several kinds may be numbered differently by CUDA",
                "set CUDA_DEVICE_ORDER=PCI_BUS_ID",
            )
        )
    if is_outdated(pynvml):
        found.problems.append(
            Problem(
                "NVML",
                "an old package `pynvml` hides nvidia-ml-py: a GPU's instantaneous power is not"
                " read",
                "run `pip uninstall pynvml`, then `pip install --force-reinstall nvidia-ml-py`",
            )
        )
    return Gpus(tuple(found.gpus), tuple(found.problems), found.lost)


class _Device(NamedTuple):
    """One device as the driver lists it; without a handle it is there and doesn't answer."""

    handle: Any
    uuid: str
    error: str = ""


def _devices(nvml: Any) -> list[_Device]:
    """Every device of the machine, in NVML's order; raises NVMLError where NVML doesn't start."""
    nvml.nvmlInit()
    found = []
    for index in range(nvml.nvmlDeviceGetCount()):
        try:
            handle = nvml.nvmlDeviceGetHandleByIndex(index)
            found.append(_Device(handle, _text(nvml.nvmlDeviceGetUUID, handle)))
        except nvml.NVMLError as error:
            found.append(_Device(None, "", sanitize(str(error))))
    return found


class _Finding:
    """The visible ones among the devices, and what becomes of each."""

    def __init__(self, nvml: Any, devices: list[_Device]) -> None:
        self._nvml = nvml
        self._devices = devices
        self.gpus: list[Gpu] = []
        self.problems: list[Problem] = []
        self.lost: dict[str, Problem] = {}

    def look(self, setting: str | None) -> None:
        """Sort all that `setting` leaves into `gpus` and `lost`."""
        left = visible_devices(setting, [device.uuid for device in self._devices])
        for place, device in enumerate(left.indices):
            self._look_at(place, device)
        if left.problem is not None:
            self.problems.append(left.problem)
            if left.is_used:
                self.lost[f"gpu:{len(left.indices)}"] = left.problem

    def _look_at(self, place: int, number: int) -> None:
        handle, uuid, failed = self._devices[number]
        what = f"GPU {number}" + (f" ({uuid})" if uuid else "")
        problem = Problem(what, failed, SEE) if failed else None
        if problem is None:
            try:
                gpu = Gpu(self._nvml, handle, place)
                problem = _refusal(self._nvml, handle, f"GPU {number} ({gpu.name})", gpu)
            except self._nvml.NVMLError as error:
                problem = Problem(what, str(error), SEE)
        if problem is None:
            self.gpus.append(gpu)
        else:
            self.problems.append(problem)
            self.lost[f"gpu:{place}"] = problem


def _refusal(nvml: Any, handle: Any, what: str, gpu: Gpu) -> Problem | None:
    """Why a GPU can't be metered, if it can't."""
    try:
        current, _pending = nvml.nvmlDeviceGetMigMode(handle)
    except nvml.NVMLError as error:
        if error.value not in (nvml.NVML_ERROR_NOT_SUPPORTED, nvml.NVML_ERROR_FUNCTION_NOT_FOUND):
            return Problem(what, f"doesn't say whether MIG is on: {error}", SEE)
        current = 0  # no GPU that can be sliced, or a driver that can't do that
    if current:
        return Problem(what, f"MIG is on: {NO_SLICE}", SLICE_CURE)
    if not gpu.has_counter and not gpu.has_power:
        return Problem(what, "shows neither energy nor power")
    return None


def _text(read: Callable[[Any], str | bytes], handle: Any) -> str:
    """A name that NVML gives: its old package hands out bytes, and they needn't be UTF-8."""
    try:
        return sanitize(read(handle))
    except UnicodeDecodeError as error:
        return sanitize(error.object)


def _means_absent(nvml: Any, error: Exception) -> bool:
    """Whether an error says that there is no GPU to be used, and not that one can't be read."""
    number = getattr(error, "value", None)
    if number == nvml.NVML_ERROR_LIBRARY_NOT_FOUND:
        return not os.path.exists(DEVICE_FILE)
    return bool(number == nvml.NVML_ERROR_DRIVER_NOT_LOADED)


def is_outdated(nvml: Any) -> bool:
    """Whether the module is that of an abandoned package of the same name."""
    return not hasattr(nvml, "NVML_FI_DEV_POWER_INSTANT")


def driver_is_loaded() -> bool:
    """Whether asking NVML makes sense; tells without importing NVML or starting it."""
    if WINDOWS or any(os.path.exists(path) for path in DRIVER_FILES):
        return True
    if not LINUX:
        return False
    try:
        import ctypes

        ctypes.CDLL(LIBRARY)
    except (ImportError, OSError):
        return False
    return True


def gpu_names() -> list[str]:
    """Names of the visible GPUs, in the order of their domains."""
    return [gpu.name for gpu in find_gpus().gpus]
