"""Data sheets found by the names that systems give their processors."""

from __future__ import annotations

import pytest

from pytest_energybench.metering.cpu_estimate import PROCESSORS, find_processor


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("AMD EPYC 7763 64-Core Processor", "EPYC 7763"),
        ("AMD EPYC 7543P 32-Core Processor", "EPYC 7543"),
        ("Intel(R) Xeon(R) CPU E5-2620 v3 @ 2.40GHz", "E5-2620 v3"),
        ("Intel(R) Xeon(R) Platinum 8480+", "Platinum 8480+"),
        ("Intel(R) Xeon(R) Gold 6140 CPU @ 2.30GHz", "Gold 6140"),
        ("12th Gen Intel(R) Core(TM) i9-12900K", "i9-12900K"),
    ],
)
def test_known_names(model: str, name: str) -> None:
    assert find_processor(model) == (name, PROCESSORS[name])


@pytest.mark.parametrize(
    "model", ["", "AMD EPYC", "12th Gen Intel(R) Core(TM) i9-12900KS", "AMD EPYC 77632"]
)
def test_what_is_only_similar_is_another_processor(model: str) -> None:
    assert find_processor(model) is None


def test_the_table_is_plausible() -> None:
    assert len(PROCESSORS) > 50
    for name, processor in PROCESSORS.items():
        assert 1.0 < processor.tdp_w / processor.threads < 10.0, name
        assert processor.threads % 4 == 0, name
