"""Joules of GPUs: by their own counter, or by sampled power where they have none."""

from __future__ import annotations

import bisect
import sys
import threading
from collections.abc import Mapping, Sequence

from pytest_energybench.base.flags import DISAGREES, NOT_LOOKED_AT
from pytest_energybench.base.system import tell_after_fork
from pytest_energybench.metering.clock import SYSTEM_CLOCK, Clock
from pytest_energybench.metering.nvml import Gpu, NvmlFailedError
from pytest_energybench.metering.power import PowerIntegral
from pytest_energybench.metering.source import Domain, Loss, Reading, Samples

SAMPLE_S = 0.1
"""NVML refreshes its power figure every 20 to 100 ms, by generation of the GPU; sampling faster
shows the same figure twice. The energy counter is refreshed as often."""

ACCURACY = 0.05
"""NVML API Reference, nvmlDeviceGetPowerUsage: within 5 % of the power that is drawn."""

DISAGREEMENT = 0.1
"""Counter and power of one GPU further apart than this: one of them is wrong."""

LONGEST_GAP_S = 10 * SAMPLE_S

LUMP_S = 2 * SAMPLE_S
"""A counter may hand over in one step what it counted in some updates before."""

STILL_S = 15 * SAMPLE_S
"""Even an idle GPU draws watts: a counter that misses so many updates does not count."""

MIN_SAMPLES = 20
"""Fewer samples than this don't judge a counter."""


class _Channel:
    """What is known of one GPU: its power curve, and its counter along with it."""

    def __init__(self, gpu: Gpu) -> None:
        self.gpu = gpu
        self.name = f"gpu:{gpu.index}"
        self.power = PowerIntegral(gpu.limit_w)
        self._at: list[float] = []
        self._joules: list[float] = []
        self._began = self._ended = self._still_s = 0.0
        self._is_first = True

    def restart(self) -> None:
        """A first window opens: earlier windows' history isn't needed any more."""
        self.power.restart()
        self._is_first = True
        self._still_s = 0.0
        del self._at[:], self._joules[:]

    def read(self, clock: Clock) -> float:
        """Joules so far; raises NvmlFailedError when the GPU doesn't answer, or not with what it
        can have used."""
        at = clock.monotonic()
        if not self.gpu.has_counter:
            self.power.add(at, self._power_w())
            return self.power.joules
        joules = self.gpu.energy_j()
        if not self._is_first:
            self._check(joules, at - self._ended, clock.monotonic() - self._began)
        self._is_first, self._began, self._ended = False, at, clock.monotonic()
        self._at.append(at)
        self._joules.append(joules)
        if self.gpu.has_power:
            self.power.add(at, self._power_w())
        return joules

    def _power_w(self) -> float:
        watts = self.gpu.power_w()
        if watts > self.gpu.most_w:
            raise NvmlFailedError(
                f"shows {watts:.4g} W where at most {self.gpu.most_w:.4g} W can be drawn"
                + (f", after {self.power.last_w:.4g} W" if self.power.last_w is not None else "")
            )
        return watts

    def _check(self, joules: float, least_s: float, most_s: float) -> None:
        """Hold a counter's step against the time since its last reading, which is known between
        two bounds: a thread may be stopped between its looks at clock and counter."""
        last = self._joules[-1]
        if joules < last:
            raise NvmlFailedError(f"counter went back from {last} J to {joules} J")
        if joules - last > self.gpu.most_w * (most_s + LUMP_S):
            raise NvmlFailedError(
                f"counter went from {last} J to {joules} J in {most_s:.3g} s, which takes"
                f" {(joules - last) / (most_s + LUMP_S):.3g} W where at most"
                f" {self.gpu.most_w:.4g} W can be drawn"
            )
        self._still_s = self._still_s + least_s if joules == last else 0.0
        if self._still_s > STILL_S:
            raise NvmlFailedError(
                f"counter stood still at {joules} J for {self._still_s:.3g} s: it doesn't count"
            )

    def counted_j(self, begin: float, end: float) -> float:
        """Joules by the counter between two instants that were read at."""
        last = len(self._at) - 1
        first, last = (min(bisect.bisect_left(self._at, edge), last) for edge in (begin, end))
        return self._joules[last] - self._joules[first]

    def bound_j(self, begin: float, end: float) -> float | None:
        """Joules that sampling, or a sensor that looks only part of the time, may have missed; None
        where nothing is known to be missed. A counter is taken to add up what the sensor saw."""
        gpu = self.gpu
        if not gpu.has_power:
            return gpu.unseen * (end - begin) * gpu.most_w if gpu.unseen else None
        missed_j = self.power.unseen_j(begin, end, gpu.unseen) if gpu.unseen else 0.0
        if not gpu.has_counter:
            return missed_j + self.power.error_j(begin, end)
        return missed_j if gpu.unseen else None

    def unseen(self, begin: float, end: float) -> str | None:
        """A flag where power that is all we know was not looked at for long."""
        gap_s = 0.0 if self.gpu.has_counter else self.power.longest_gap_s(begin, end)
        if gap_s <= LONGEST_GAP_S:
            return None
        return (
            f"{self.name}: {NOT_LOOKED_AT} for {gap_s:.3g} s (a stopped process?); it is"
            " taken to have changed evenly"
        )

    def disagreement(self, begin: float, end: float) -> str | None:
        """A flag where counter and sampled power tell different stories of a window."""
        if not (self.gpu.has_counter and self.gpu.has_power):
            return None
        if self.power.count(begin, end) < MIN_SAMPLES:
            return None
        counted_j = self.counted_j(begin, end)
        sampled_j = self.power.energy_j(begin, end)
        apart_j = abs(counted_j - sampled_j)
        tolerated_j = max(DISAGREEMENT * max(counted_j, sampled_j), self.power.error_j(begin, end))
        if apart_j <= tolerated_j:
            return None
        return f"{self.name}: {DISAGREES}: {counted_j:.4g} J against {sampled_j:.4g} J"


class GpuSource:
    """`gpu:N`: one domain per visible GPU, numbered as CUDA numbers them.

    A GPU that stops answering, or shows what can't be, is lost until the next time that a first
    window opens; one that never answered, for good.
    """

    tick_s = SAMPLE_S

    def __init__(
        self, gpus: Sequence[Gpu], *, lost: Mapping[str, str] = {}, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        """
        Args:
            gpus: found by `nvml.find_gpus`.
            lost: domain -> why, of those that it found and that can't be read.
            clock: dates samples and failures.
        """
        self._clock = clock
        self._mutex = threading.Lock()
        tell_after_fork(self)
        self._never = {name: Loss(why, clock.monotonic()) for name, why in lost.items()}
        self._lost = dict(self._never)
        self._channels = [_Channel(gpu) for gpu in gpus]
        self.gpus = tuple(gpus)
        self.gpu_names = tuple(gpu.name for gpu in gpus)
        self.domains: Sequence[Domain] = tuple(
            Domain(
                name=f"gpu:{gpu.index}",
                source="nvml",
                provenance="measured" if gpu.has_counter else "integrated",
                resolution_j=1e-3 if gpu.has_counter else None,
                error=ACCURACY,
                period_s=SAMPLE_S,
                note=f"{gpu.name}: "
                + ("total energy counter" if gpu.has_counter else f"sampled {gpu.power_field}")
                + (f"; looks at {100 * (1 - gpu.unseen):.0f} % of the time" if gpu.unseen else ""),
                device=gpu.uuid,
            )
            for gpu in gpus
        ) + tuple(
            Domain(name=name, source="nvml", provenance="measured", note=f"lost: {why}")
            for name, why in lost.items()
        )

    def after_fork(self) -> None:
        """In a child: another thread may have been reading when it was forked."""
        self._mutex = threading.Lock()

    def open(self) -> None:
        """Forget the history of closed windows, and try lost GPUs again."""
        with self._mutex:
            self._lost = dict(self._never)
            for channel in self._channels:
                channel.restart()

    def close(self) -> None:
        """Nothing to stop."""

    def tick(self) -> None:
        """Take a sample."""
        self.read()

    def read(self) -> Reading:
        """Joules of each GPU since an origin of its own."""
        joules: dict[str, float] = {}
        with self._mutex:
            for channel in self._channels:
                if channel.name in self._lost:
                    continue
                try:
                    joules[channel.name] = channel.read(self._clock)
                except NvmlFailedError as error:
                    why = f"{channel.gpu.name}: {error}"
                    self._lost.setdefault(channel.name, Loss(why, self._clock.monotonic()))
            return Reading(joules, dict(self._lost))

    def judge(self, begin: float, end: float) -> Sequence[str]:
        """A flag for each GPU whose counter and power are more than a tenth apart, or whose power
        was known too seldom."""
        with self._mutex:
            flags = [
                flag
                for channel in self._answering()
                for flag in (channel.disagreement(begin, end), channel.unseen(begin, end))
            ]
            return [flag for flag in flags if flag]

    def samples(self, begin: float, end: float) -> Samples:
        """Power of each GPU that shows it."""
        with self._mutex:
            return {
                channel.name: channel.power.samples(begin, end)
                for channel in self._answering()
                if channel.gpu.has_power
            }

    def bounds_j(self, begin: float, end: float) -> Mapping[str, float]:
        """What may have been missed, in joules, of each GPU without a counter and of each whose
        sensor does not look all the time."""
        with self._mutex:
            bounds = {each.name: each.bound_j(begin, end) for each in self._answering()}
            return {name: joules for name, joules in bounds.items() if joules is not None}

    def _answering(self) -> list[_Channel]:
        return [channel for channel in self._channels if channel.name not in self._lost]


def finish_gpu_work() -> str | None:
    """Wait for the GPU work in flight, where torch is imported and uses CUDA already.

    Returns:
        Why it failed, in one line; None if it didn't. torch is never imported for this.
    """
    torch = sys.modules.get("torch")
    if torch is None:
        return None
    cuda = getattr(torch, "cuda", None)  # missing while torch is being imported
    if cuda is None or not cuda.is_initialized():
        return None
    try:
        for device in range(cuda.device_count()):
            cuda.synchronize(device)
    except RuntimeError as error:
        return f"GPU work in flight failed: {str(error).splitlines()[0]}"
    return None
