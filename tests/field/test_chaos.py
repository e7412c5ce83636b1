"""Random machines, random faults at random instants: no gate passes on what is not known.

A machine is played with files, a driver and a clock; readers, window and gate are the real ones.
What no reader can know is not played: a jump that the part could have drawn, and a power figure
without a counter beside it that sticks. A counter that sticks is seen after a time that is stated;
what it may miss until then is granted; any other processor's figure is within its stated error.
"""

from __future__ import annotations

import math
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from pytest_energybench.gates.comparisons import judge_budget
from pytest_energybench.gates.results import passes
from pytest_energybench.measurement.aggregate import window_record
from pytest_energybench.metering import nvidia as gpu_module
from pytest_energybench.metering import nvml, rapl
from pytest_energybench.metering.fake import FakeClock
from pytest_energybench.metering.meter import Meter
from pytest_energybench.metering.nvidia import SAMPLE_S, GpuSource
from pytest_energybench.metering.nvml import find_gpus
from pytest_energybench.metering.rapl import LONGEST_TICK_S, RaplSource
from tests.metering.conftest import RANGE_UJ, FakeNvml, Tree

MOST_W = 250.0
SURELY_UJ = 10_000_000_000
"""No part draws 10 kJ between two looks: a jump of that size, either way around, is impossible."""
COUNTER_FAULTS = (*["none"] * 4, "vanish", "stick", "stick", "jump", "deny", "garbage")
"""Sticking is the one that takes time to be seen; beside a part that is lost it would be hidden."""
STICKING = ("stick", "garbage")  # the same garbage time and again sticks as well
RAPL_BLIND_S = 2 * LONGEST_TICK_S + rapl.STILL_S
GPU_BLIND_S = SAMPLE_S + gpu_module.STILL_S


class Part:
    """One part of the machine: what it draws, what it has drawn, and what is wrong with it.

    Attributes:
        blind_s: for how long its counter may stick before that is seen.
    """

    domain: str
    blind_s: float

    def __init__(self, dice: random.Random, steps: int, faults: tuple[str, ...]) -> None:
        self.dice = dice
        self.watts = self.peak_w = dice.uniform(5.0, MOST_W)
        self.true_j = 0.0
        self.counted_j = 0.0
        self.fault = dice.choice(faults)
        self.fault_at = dice.randint(-1, steps)
        self.sticks = False

    def granted_j(self, error_j: float) -> float:
        """How far its figure may be off; what a processor states goes beyond that, for it counts on
        the most that any processor draws."""
        blind_j = self.peak_w * self.blind_s if self.fault in STICKING else 0.0
        return blind_j + 0.005 + (error_j if isinstance(self, Card) else 0.0)

    def draw(self, seconds: float) -> None:
        """Let the part use energy; now and then it changes its power."""
        joules = self.watts * seconds
        self.true_j += joules
        self.counted_j += 0.0 if self.sticks else joules
        if self.dice.random() < 0.1:
            self.watts = self.dice.uniform(5.0, MOST_W)
            self.peak_w = max(self.peak_w, self.watts)


class Package(Part):
    """A RAPL package, whose counter may begin anywhere and so wrap at any time."""

    blind_s = RAPL_BLIND_S

    def __init__(self, dice: random.Random, steps: int, tree: Tree, number: int) -> None:
        super().__init__(dice, steps, COUNTER_FAULTS)
        self.domain = f"cpu:{number}"
        self.zone = f"intel-rapl:{number}"
        self.tree = tree
        self.origin = dice.choice([0, RANGE_UJ - dice.randint(0, 10**9), dice.randrange(RANGE_UJ)])
        tree.add(self.zone, f"package-{number}", self.value())

    def value(self) -> int:
        """What the counter shows."""
        return (self.origin + round(self.counted_j * 1e6)) % RANGE_UJ

    def show(self, step: int) -> None:
        if step == self.fault_at:
            self.break_down()
        elif step < self.fault_at or self.fault in ("none", "stick", "jump"):
            self.tree.set(self.zone, self.value())

    def break_down(self) -> None:
        self.sticks = self.fault == "stick"
        if self.fault == "jump":
            self.origin += self.dice.randint(SURELY_UJ, RANGE_UJ - SURELY_UJ)
        if self.fault in ("vanish", "deny"):
            self.tree.energy(self.zone).unlink()
        if self.fault == "deny":  # not even root reads a folder
            self.tree.energy(self.zone).mkdir()
        elif self.fault == "garbage":
            garbage = ["", "n/a\n", "-1\n", f"{2**64 - 1}\n", "\x00\n", "1e9\n"]
            self.tree.write(self.zone, self.dice.choice(garbage))
        elif self.fault != "vanish":
            self.tree.set(self.zone, self.value())


class Card(Part):
    """A GPU, with a counter or with power alone."""

    blind_s = GPU_BLIND_S

    def __init__(self, dice: random.Random, steps: int, driver: FakeNvml) -> None:
        self.counts = dice.random() < 0.5
        super().__init__(dice, steps, COUNTER_FAULTS if self.counts else ("none", "vanish", "jump"))
        self.origin = dice.randrange(10**9)
        self.domain = f"gpu:{len(driver.gpus)}"
        self.facts: dict[str, Any] = driver.add(average_mw=None)
        self.facts["energy_mj"] = 0 if self.counts else None

    def show(self, step: int) -> None:
        broken = step >= self.fault_at
        self.sticks = broken and self.fault == "stick"
        if step == self.fault_at and self.fault == "jump" and self.counts:
            self.origin += self.dice.choice([-1, 1]) * self.dice.randint(10**8, 10**10)
        if self.counts:
            self.facts["energy_mj"] = self.origin + round(self.counted_j * 1e3)
            if broken and self.fault == "garbage":
                self.facts["energy_mj"] = self.dice.choice([2**64 - 1, 2**63])
        else:
            jumps = broken and self.fault == "jump"
            self.facts["average_mw"] = 2**32 - 1 if jumps else round(self.watts * 1e3)
        self.facts["gone"] = broken and self.fault in ("vanish", "deny")


def play(seed: int, root: Path, driver: FakeNvml) -> str:
    """One machine, one window, one gate; what became of it: `passed`, `failed` or `unknown`."""
    dice = random.Random(seed)
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    driver.gpus.clear()
    steps = dice.randint(1, 80)
    clock = FakeClock(dice.uniform(0.0, 1e6))
    packages = [Package(dice, steps, Tree(root), n) for n in range(dice.randint(1, 2))]
    parts = [*packages, *(Card(dice, steps, driver) for _ in range(dice.randint(0, 2)))]

    def show(step: int) -> None:
        for part in parts:
            part.show(step)

    show(-1)
    found = find_gpus()
    cpus = RaplSource.find(root, clock=clock)
    gpus = GpuSource(found.gpus, lost=found.lost, clock=clock)
    meter = Meter([cpus, gpus], clock=clock)
    show(0)
    for part in parts:
        part.true_j = 0.0
    with meter.measure() as window:
        for step in range(1, steps + 1):
            clock.advance(SAMPLE_S)
            for part in parts:
                part.draw(SAMPLE_S)
            show(step)
            gpus.tick()
            cpus.tick()
    true_j = sum(part.true_j for part in parts)
    granted_j = {
        part.domain: part.granted_j(window.error_j.get(part.domain, 0.0)) for part in parts
    }
    record = window_record(window)
    limit_j = true_j * dice.uniform(0.3, 1.5)
    finding = judge_budget(record.total_j, limit_j, provenance=record.provenance, n=1)
    passed = passes(finding)
    if passed:
        assert true_j <= limit_j + sum(granted_j.values()), "a gate passed on less than was drawn"
    if not math.isnan(window.total_j):
        assert not window.errors
        if not any("disagree" in flag for flag in window.flags):
            for part in parts:
                off_j = abs(window.energy_j[part.domain] - part.true_j)
                assert off_j <= granted_j[part.domain], "a figure is not what was drawn"
                if isinstance(part, Package) and part.fault not in STICKING:
                    assert off_j <= window.error_j[part.domain], "its stated error is too small"
    assert math.isnan(window.total_j) == (record.total_j is None) == bool(window.errors)
    return "unknown" if record.total_j is None else "passed" if passed else "failed"


def play_all(seeds: range, root: Path, driver: FakeNvml) -> set[str]:
    outcomes = set()
    for seed in seeds:
        try:
            outcomes.add(play(seed, root, driver))
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
    return outcomes


EVERYTHING = {"passed", "failed", "unknown"}


def test_no_gate_passes_on_what_is_not_known(tmp_path: Path, fake_nvml: FakeNvml) -> None:
    assert play_all(range(200), tmp_path / "powercap", fake_nvml) == EVERYTHING


@pytest.mark.exhaustive
def test_no_gate_passes_in_ten_thousand_machines(tmp_path: Path, fake_nvml: FakeNvml) -> None:
    assert play_all(range(200, 10_200), tmp_path / "powercap", fake_nvml) == EVERYTHING


@pytest.mark.parametrize(
    ("module", "guard", "without"),
    [
        (rapl, "STILL_S", math.inf),
        (rapl, "LUMP_S", math.inf),
        # Of a thousand machines, few draw what these two see.
        pytest.param(gpu_module, "STILL_S", math.inf, marks=pytest.mark.slow),
        pytest.param(gpu_module, "LUMP_S", math.inf, marks=pytest.mark.slow),
        (nvml, "HEADROOM", math.inf),
    ],
)
def test_without_one_guard_some_gate_would(
    tmp_path: Path,
    fake_nvml: FakeNvml,
    monkeypatch: pytest.MonkeyPatch,
    module: Any,
    guard: str,
    without: object,
) -> None:
    """The proof can fail: it does as soon as one check of the readers is gone."""
    monkeypatch.setattr(module, guard, without)
    if module is nvml:
        monkeypatch.setattr(nvml, "MOST_WATTS", math.inf)
    with pytest.raises(AssertionError, match="seed"):
        play_all(range(1000), tmp_path / "powercap", fake_nvml)
