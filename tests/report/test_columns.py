"""The columns that all tables of cases share."""

import pytest
from msgspec.structs import replace

from pytest_energybench.report.build import run_view
from pytest_energybench.report.columns import columns


@pytest.mark.parametrize(
    ("units", "head"),
    [
        (["", ""], "vs main"),
        (["token", "token"], "vs main per token"),
        (["token", "image"], "vs main per unit"),
        (["token", ""], "vs main"),
    ],
)
def test_changes_are_headed_per_unit_where_all_of_them_are(ci, units, head):
    def counting(case, unit):
        changed = [replace(each, unit=unit) for each in case.comparisons]
        return replace(case, comparisons=changed)

    cases = list(map(counting, ci.cases[:2], units))
    found = {each.key: each for each in columns(run_view(replace(ci, cases=cases)))}
    assert found["stored"].head == head


def test_the_deciding_change_stays_where_there_is_little_room(ci):
    stored = ci.cases[0].comparisons[0]
    both = [replace(stored, reference="group", name="plain"), stored]
    run = replace(ci, cases=[replace(ci.cases[0], comparisons=both)])
    found = {each.key: each for each in columns(run_view(run))}
    assert [found[key].minor for key in ("stored", "group")] == [False, True]
