"""CUDA_VISIBLE_DEVICES as CUDA reads it."""

from __future__ import annotations

import pytest

from pytest_energybench.metering.nvml import visible_devices

UUIDS = ["GPU-aaaa1111-01", "GPU-aaaa2222-02", "GPU-bbbb3333-03"]


@pytest.mark.parametrize(
    ("setting", "indices"),
    [
        (None, (0, 1, 2)),
        ("", ()),
        (" ", ()),
        ("2,0", (2, 0)),
        (" 1 , 2 ", (1, 2)),
        ("0,-1,2", (0,)),
        ("-1", ()),
        ("GPU-bbbb3333-03,GPU-aaaa1111-01", (2, 0)),
        ("GPU-b,GPU-aaaa2", (2, 1)),
        ("0,0,1", (0, 1)),
    ],
)
def test_valid_settings(setting: str | None, indices: tuple[int, ...]) -> None:
    sanitize = visible_devices(setting, UUIDS)
    assert sanitize.indices == indices
    assert sanitize.problem is None


@pytest.mark.parametrize("entry", ["7", "GPU-a", "GPU-zz", "nonsense", ""])
def test_the_list_ends_at_its_first_invalid_entry(entry: str) -> None:
    sanitize = visible_devices(f"1,{entry},0", UUIDS)
    assert sanitize.indices == (1,)
    assert sanitize.problem is not None
    assert f"CUDA_VISIBLE_DEVICES=1,{entry},0 names no such GPU" in sanitize.problem


def test_a_mig_slice_is_refused_by_name() -> None:
    sanitize = visible_devices("MIG-1234", UUIDS)
    assert sanitize.indices == ()
    assert sanitize.problem is not None
    assert sanitize.problem.what == "GPU MIG-1234"
    assert "MIG slice" in sanitize.problem.why
    assert "nvidia-smi -mig 0" in sanitize.problem.remedy
