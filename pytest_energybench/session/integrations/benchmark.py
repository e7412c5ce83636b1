"""Joules beside the seconds of pytest-benchmark."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pytest_energybench.results.model import Case


def fill_benchmark(item: pytest.Item, so_far: Callable[[], Case]) -> None:
    """Put the joules of a test that also uses pytest-benchmark into its `extra_info`.

    Args:
        so_far: puts the case together, which is done for such a test alone.
    """
    benchmark = getattr(item, "funcargs", {}).get("benchmark")
    extra: dict[str, Any] | None = getattr(benchmark, "extra_info", None)
    if extra is None or (case := so_far()).total_j is None:
        return
    extra["energy_j"] = case.total_j
    extra["energy_domains_j"] = dict(case.energy_j)
    extra["energy_provenance"] = dict(case.provenance)


def benchmark_metrics(item: pytest.Item) -> dict[str, float]:
    """Mean seconds and number of rounds of the test's pytest-benchmark, empty without one."""
    metadata = getattr(getattr(item, "funcargs", {}).get("benchmark"), "stats", None)
    stats = getattr(metadata, "stats", None)
    if stats is None or not getattr(stats, "data", None):
        return {}
    return {"benchmark_mean_s": float(stats.mean), "benchmark_rounds": float(stats.rounds)}
