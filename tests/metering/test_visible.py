"""CUDA_VISIBLE_DEVICES as CUDA reads it."""

from __future__ import annotations

import pytest

from pytest_energybench.metering.visible import visible_devices

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
    visible = visible_devices(setting, UUIDS)
    assert visible.indices == indices
    assert visible.problem is None


@pytest.mark.parametrize("entry", ["7", "GPU-a", "GPU-zz", "nonsense", ""])
def test_the_list_ends_at_its_first_invalid_entry(entry: str) -> None:
    visible = visible_devices(f"1,{entry},0", UUIDS)
    assert visible.indices == (1,)
    assert visible.problem is not None
    assert f"CUDA_VISIBLE_DEVICES=1,{entry},0 names no such GPU" in visible.problem


def test_a_mig_slice_is_refused_by_name() -> None:
    visible = visible_devices("MIG-1234", UUIDS)
    assert visible.indices == ()
    assert visible.problem is not None
    assert visible.problem.what == "GPU MIG-1234"
    assert "MIG slice" in visible.problem.why
    assert "nvidia-smi -mig 0" in visible.problem.remedy
