"""Which tests run in workers: everything in `tests/` that is more than a file, and no other."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

import conftest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("arguments", "folder", "in_workers"),
    [
        (["tests"], ROOT, True),
        (["tests/metering", "tests/gates/"], ROOT, True),
        ([str(ROOT / "tests")], Path("/"), True),
        (["metering"], ROOT / "tests", True),
        (["tests/gates/test_judge.py"], ROOT, False),
        (["tests/gates", "tests/gates/test_judge.py::test_it"], ROOT, False),
        (["bench_cases"], ROOT, False),
        (["tests", "bench_cases"], ROOT, False),
        ([str(ROOT)], ROOT, False),
        (["examples/test_kernels.py"], ROOT, False),
    ],
)
def test_folders_of_tests_run_in_workers_and_what_may_be_metered_alone(
    arguments: list[str], folder: Path, in_workers: bool
) -> None:
    config = SimpleNamespace(args=arguments, invocation_params=SimpleNamespace(dir=folder))
    found = conftest.pytest_xdist_auto_num_workers(config)  # type: ignore[arg-type]
    assert found == (None if in_workers else 0)
