"""Headings carry what ids share; rows have the rest."""

import pytest

from pytest_energybench.report.build import run_view
from pytest_energybench.report.text import sections
from pytest_energybench.results.model import Case, Run
from tests.report.samples import MACHINE


def shown(*cases):
    nodeids, groups = zip(*cases, strict=True)
    return [(each.title, each.names) for each in sections(nodeids, groups)]


@pytest.mark.parametrize(
    ("nodeids", "title", "names"),
    [
        (["f.py::t[net-a]", "f.py::t[net-b]"], "f.py::t[net-…]", ("a", "b")),
        (["f.py::t[a]", "f.py::t[ab]"], "f.py::t[…]", ("a", "ab")),
        (["f.py::t[a-b]", "f.py::t[a-b-c]"], "f.py::t[a-…]", ("b", "b-c")),
        (["f.py::C::t", "f.py::C::u"], "f.py::C", ("t", "u")),
        (["f.py::test_a", "f.py::test_ab"], "f.py", ("test_a", "test_ab")),
        (["f.py::test_a", "f.py::test_a[x]"], "f.py", ("test_a", "test_a[x]")),
        (["f.py::t[a]"], "f.py", ("t[a]",)),
        (["odd", "other"], "", ("odd", "other")),
        (["f.py::t[a::b-1]", "f.py::t[a::b-2]"], "f.py::t[a::b-…]", ("1", "2")),
        (["x[1]", "x[2]"], "x[…]", ("1", "2")),
        (["if [ -e a ]; then b", "if [ -e c ]; then d"], "", None),
        (["test a && [ -e a ]", "test a && [ -e b ]"], "", None),
    ],
)
def test_a_heading_ends_where_a_part_of_an_id_ends(nodeids, title, names):
    names = names or tuple(nodeids)  # of commands nothing is cut
    assert shown(*((nodeid, "g") for nodeid in nodeids)) == [(title, names)]


def test_a_group_and_a_file_have_one_heading_each_however_their_cases_ran():
    cases = [("f.py::a", None), ("f.py::t[x]", "g"), ("f.py::b", None), ("f.py::t[y]", "g")]
    assert shown(*cases) == [("f.py", ("a", "b")), ("f.py::t[…]", ("x", "y"))]


def test_a_case_of_the_page_has_its_group_in_its_heading():
    cases = [
        Case(nodeid=nodeid, name=nodeid, group=group)
        for nodeid, group in (
            ("a/t.py::test_p[m-x]", "m"),
            ("a/t.py::test_p[m-yy]", "m"),
            ("a/t.py::test_q", None),
            ("t.py::test_a[x]", "g"),
            ("plain", None),
        )
    ]
    found = {
        view.source.nodeid: (view.heading, view.short)
        for view in run_view(Run(machine=MACHINE, cases=cases)).cases
    }
    assert list(map(found.get, (case.nodeid for case in cases))) == [
        ("m · a/t.py::test_p[m-…]", "x"),
        ("m · a/t.py::test_p[m-…]", "yy"),
        ("a/t.py", "test_q"),
        ("g · t.py", "test_a[x]"),
        ("", "plain"),
    ]
