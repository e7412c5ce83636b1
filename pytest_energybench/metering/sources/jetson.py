"""NVIDIA Jetson by the INA3221 sensor on the supply of its module.

The driver shows a rail N as `inN_label`, `inN_input` in millivolts and `currN_input` in
milliamperes (Documentation/hwmon/ina3221.rst). The rail of the whole module has its processor, GPU
and memory in it (Jetson Developer Guide, "Power Monitor"); others are parts of it, and boards
without such a rail are not read.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from pytest_energybench.base.flags import NOT_LOOKED_AT
from pytest_energybench.base.plain_file import plain_text, read_plain
from pytest_energybench.base.system import tell_after_fork
from pytest_energybench.metering.clock import Clock
from pytest_energybench.metering.errors import Problem
from pytest_energybench.metering.power import PowerIntegral
from pytest_energybench.metering.source import Domain, Loss, Reading, Samples, Source
from pytest_energybench.metering.sources import Offer

ROOT = Path("/sys/class/hwmon")
WHOLE = ("VDD_IN", "POM_5V_IN")
"""Labels of the module's supply."""
DOMAIN = "psys:0"
SAMPLE_S = 0.05
LONGEST_GAP_S = 10 * SAMPLE_S


def offer() -> Offer | None:
    """A sensor of the kind is here."""
    if not any(plain_text(folder / "name") == "ina3221" for folder in ROOT.glob("hwmon*")):
        return None
    return Offer("Jetson's supply (INA3221)", "--energy-meters=jetson")


def find(clock: Clock, root: Path = ROOT) -> tuple[list[Source], list[Problem]]:
    """The module's supply as a source.

    Args:
        root: where the sensors are.
    """
    rails: list[str] = []
    for folder in sorted(root.glob("hwmon*")):
        if plain_text(folder / "name") != "ina3221":
            continue
        for label in sorted(folder.glob("in*_label")):
            rails.append(plain_text(label))
            if rails[-1] in WHOLE:
                return [JetsonSource(folder, label.name.removesuffix("_label"), clock=clock)], []
    why = f"no rail of the whole module among {', '.join(rails) or 'no rails'}"
    return [], [Problem("Jetson", why, absent=not rails)]


class JetsonSource:
    """`psys:0`: the module's power, sampled and integrated."""

    tick_s = SAMPLE_S

    def __init__(self, folder: Path, rail: str, *, clock: Clock) -> None:
        """
        Args:
            folder: of the sensor.
            rail: `in1`, say.
            clock: dates samples.
        """
        self._volts = folder / f"{rail}_input"
        self._amperes = folder / f"curr{rail.removeprefix('in')}_input"
        self._clock = clock
        self._power = PowerIntegral()
        self._lost: dict[str, Loss] = {}
        self._mutex = threading.Lock()
        tell_after_fork(self)
        self.domains: Sequence[Domain] = (
            Domain(
                DOMAIN,
                "jetson",
                "integrated",
                period_s=SAMPLE_S,
                note=f"experimental: the module's supply, {self._volts} x {self._amperes.name}",
                covers=("cpu", "ram", "gpu"),
            ),
        )

    def after_fork(self) -> None:
        """In a child: another thread may have been reading when it was forked."""
        self._mutex = threading.Lock()

    def open(self) -> None:
        """Forget the samples of closed windows, and try again what was lost."""
        with self._mutex:
            self._lost = {}
            self._power.restart()

    def close(self) -> None:
        """Nothing to stop."""

    def tick(self) -> None:
        """Take a sample."""
        self.read()

    def read(self) -> Reading:
        """Joules of all samples so far."""
        with self._mutex:
            if not self._lost:
                try:
                    at = self._clock.monotonic()
                    milli = int(read_plain(self._volts)) * int(read_plain(self._amperes))
                    self._power.add(at, milli / 1e6)
                except (OSError, ValueError) as error:
                    self._lost = {DOMAIN: Loss(str(error), self._clock.monotonic())}
            return Reading({} if self._lost else {DOMAIN: self._power.joules}, dict(self._lost))

    def judge(self, begin: float, end: float) -> Sequence[str]:
        """A flag where power wasn't looked at for long."""
        with self._mutex:
            gap_s = 0.0 if self._lost else self._power.longest_gap_s(begin, end)
        if gap_s <= LONGEST_GAP_S:
            return ()
        return (f"{DOMAIN}: {NOT_LOOKED_AT} for {gap_s:.3g} s; it is taken to have changed evenly",)

    def samples(self, begin: float, end: float) -> Samples:
        """Power between two instants."""
        with self._mutex:
            return {} if self._lost else {DOMAIN: self._power.samples(begin, end)}

    def bounds_j(self, begin: float, end: float) -> Mapping[str, float]:
        """What sampling may have missed."""
        with self._mutex:
            return {} if self._lost else {DOMAIN: self._power.error_j(begin, end)}
