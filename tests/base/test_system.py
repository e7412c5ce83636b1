"""What the system says of itself."""

from __future__ import annotations

import os

import pytest

from pytest_energybench.base.system import logical_cpus


@pytest.mark.skipif(not hasattr(os, "sysconf"), reason="needs sysconf")
def test_the_machines_cpus_are_not_those_that_python_is_told_to_use(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    there = logical_cpus()
    monkeypatch.setattr(os, "cpu_count", lambda: 1000)  # as PYTHON_CPU_COUNT=1000 has it
    assert logical_cpus() == there


def test_without_sysconf_python_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sysconf", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert logical_cpus() == 1
