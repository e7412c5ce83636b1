"""Text that the suites of several files begin with."""

from __future__ import annotations

GROUPS = """
import pytest

def case(group, method):
    marks = [pytest.mark.energy_group(group)]
    if method == "plain":
        marks.append(pytest.mark.energy_baseline)
    return pytest.param(group, method, marks=marks, id=f"{group}-{method}")
"""
"""`case(group, method)` for `parametrize(("group", "method"), ...)`; "plain" is the baseline."""
