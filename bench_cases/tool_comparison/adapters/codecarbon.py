"""CodeCarbon: its tracker without network, a task for each window."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from codecarbon import OfflineEmissionsTracker
from codecarbon.core import cpu

_root = os.environ.get("ENERGYBENCH_POWERCAP_ROOT")
if _root:
    _made = f"{_root}/intel-rapl"
    _setup = cpu.IntelRAPL.__init__

    def _pointed(self: cpu.IntelRAPL, rapl_dir: str = _made, **words: bool) -> None:  # noqa: ARG001
        _setup(self, rapl_dir=_made, **words)

    cpu.IntelRAPL.__init__ = _pointed
    _bases = cpu._get_candidate_bases
    cpu._get_candidate_bases = lambda _: _bases(_made)

_tracker = OfflineEmissionsTracker(
    country_iso_code="USA",
    log_level="critical",
    save_to_file=False,
    allow_multiple_runs=True,
    rapl_include_dram=True,
)
_last = None


@contextmanager
def window() -> Iterator[None]:
    global _last
    _tracker.start_task()
    yield
    _last = _tracker.stop_task()


def joules() -> float:
    """Of kWh. Where the counters are given, without the memory that it estimates beside them."""
    kwh = _last.cpu_energy if _root else _last.energy_consumed
    return kwh * 3.6e6
