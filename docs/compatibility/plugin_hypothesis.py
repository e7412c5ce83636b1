from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

few = settings(
    max_examples=5,
    derandomize=True,  # other examples are other work
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    deadline=None,
)


@few
@given(joules=st.floats(1.0, 2.0))
def test_examples(energy, work, joules):
    with energy.measure():
        work(joules)
    energy.assert_below("100 J")


@pytest.mark.over
@few
@given(joules=st.floats(10.0, 20.0))
def test_examples_over(energy, work, joules):
    with energy.measure():
        work(joules)
    energy.assert_below("5 J")


@pytest.mark.over
@pytest.mark.energy_budget(max="5 J")
@few
@given(joules=st.floats(10.0, 20.0))
def test_examples_over_their_marker(work, joules):
    work(joules)
