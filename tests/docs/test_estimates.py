"""What docs/make_estimates.py reads of public curves."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from pytest_energybench.metering.cpu_rows import HOST_ERROR, ROWS
from tests.docs.pages import ROOT

HEAD = "task_name,load_type,cpu_name,cores_used,cpu_load,rapl_power,rapl_energy,duration\n"


def test_the_table_is_written_as_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    script = importlib.import_module("make_estimates")
    kinds = {each.key: each.kind for each in script.SPEC}
    errors = {kinds[key]: row.error for key, row in ROWS.items() if row.machines}
    rows = [
        script.Row(
            key,
            row.title,
            row.threads,
            row.watts,
            row.memory,
            row.machines,
            row.source,
            row.threads_power,
        )
        for key, row in ROWS.items()
    ]
    assert script.table_text(rows, errors, HOST_ERROR) == script.TABLE.read_text("utf-8")


def test_watts_are_joules_over_time_and_not_those_of_the_row_before(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    power_data = importlib.import_module("power_data")
    (tmp_path / "rapl_by_load").mkdir()
    rows = [(0, 2.5, 0.2, 5.0), (1, 12.5, 5.0, 21.0), (8, 100.0, 21.0, 50.0)]
    text = "".join(
        f"Load,some_cores,Intel(R) Xeon(R) CPU E3-1240 V2 @ 3.40GHz,"
        f"{threads},{load},{before},{watts * 30 / 3.6e6},30\n"
        for threads, load, before, watts in rows
    )
    (tmp_path / "rapl_by_load" / "a.csv").write_text(HEAD + text)
    (curve,) = power_data.curves(tmp_path)
    assert curve.points == (
        (0.0, pytest.approx(5.0)),
        (0.125, pytest.approx(21.0)),
        (1.0, pytest.approx(50.0)),
    )
