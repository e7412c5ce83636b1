"""The history file: lines that are only added, and what of them a run is compared with."""

import errno

import msgspec
import pytest

from pytest_energybench.results.errors import RunFileError, StorageError, WriteError
from pytest_energybench.results.history import (
    FILE,
    Asked,
    append_history,
    check_branch,
    entries_of,
    last_runs,
    parse_asked,
    read_history,
    told_left_out,
    with_trends,
)
from pytest_energybench.results.model import Commit, Run
from tests.results.samples import make_case, make_run


def run_of(day, *joules, commit=None, branch="main", **fields):
    return make_run(
        make_case("test_a", *joules),
        created=f"2026-01-{day:02d}T00:00:00Z",
        commits=[Commit(id=commit or f"{day:040x}", branch=branch)],
        **fields,
    )


def test_lines_are_added_and_a_union_of_two_files_is_read_in_order_each_line_once(tmp_path):
    for day in (2, 1):
        append_history(tmp_path, entries_of(run_of(day, 10.0 * day)))
    file = tmp_path / FILE
    first, second = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(first + second + b"\n" + first.rstrip(b"\n"))  # and no end of line
    append_history(tmp_path, entries_of(run_of(3, 30.0)))
    assert [each.rounds_j for each in read_history(tmp_path)] == [[10.0], [20.0], [30.0]]


def test_what_is_no_line_is_told_with_its_number(tmp_path):
    with pytest.raises(RunFileError, match="is not there; pytest --energy-history begins it"):
        read_history(tmp_path)
    append_history(tmp_path, entries_of(run_of(1, 1.0)))
    good = (tmp_path / FILE).read_bytes()
    for bad, why in (
        (b"{", "line 2"),
        (good.replace(b'"v":1', b'"v":2'), "line 2 is of version 2"),
        (good.replace(b"[1.0]", b"[]"), "rounds_j"),
        (b"<<<<<<< HEAD\n", "line 2"),
    ):
        (tmp_path / FILE).write_bytes(good + bad)
        with pytest.raises(RunFileError, match=why):
            read_history(tmp_path)
    with pytest.raises(WriteError, match="cannot be written"):
        append_history(tmp_path / FILE, entries_of(run_of(1, 1.0)))


def test_lines_that_cant_be_written_whole_are_not_there_at_all(tmp_path, monkeypatch):
    append_history(tmp_path, entries_of(run_of(1, 1.0)))
    before = (tmp_path / FILE).read_bytes()

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("pytest_energybench.results.history.os.fsync", full)
    with pytest.raises(WriteError, match="No space left"):
        append_history(tmp_path, entries_of(run_of(2, 2.0)))
    assert (tmp_path / FILE).read_bytes() == before


def test_only_good_cases_are_kept_with_why_their_rounds_decide_nothing():
    failed = make_case("test_b", 1.0, outcome="failed")
    lost = make_case("test_c", 1.0, total_j=None)
    busy = make_case("test_d", 1.0)
    (only,) = busy.rounds
    rounds = [msgspec.structs.replace(only, flags=["background load of 1.2 cores"])]
    busy = msgspec.structs.replace(busy, rounds=rounds)
    found = entries_of(make_run(make_case("test_a", 1.0), failed, lost, busy))
    assert [(each.nodeid[-1], each.spoiled) for each in found] == [("a", ""), ("d", "machine busy")]
    assert [each.nodeid[-1] for each in found if not each.left_out] == ["a"]
    assert told_left_out(found) == "machine busy (1)"
    assert told_left_out(found[:1]) == ""


def test_an_expected_failure_may_have_ended_anywhere_and_is_no_reference():
    expected = make_case("test_b", 1.0, outcome="xfailed")
    found = entries_of(make_run(make_case("test_a", 1.0), expected))
    assert [each.nodeid[-1] for each in found] == ["a"]


def test_of_a_run_of_several_commits_no_case_is_known_to_be_of_one():
    commits = [Commit(id=digit * 40, branch="main") for digit in "12"]
    run = make_run(make_case("test_a", 1.0), commits=commits)
    assert entries_of(run) == []
    for same in (commits[:1], [commits[0], Commit(id="1" * 40)]):  # a host knows no branch
        assert len(entries_of(msgspec.structs.replace(run, commits=same))) == 1


def history(*runs):
    return [entry for run in runs for entry in entries_of(run)]


def test_a_run_is_compared_with_the_last_runs_of_the_branch_before_its_commit():
    earlier = [run_of(day, float(day)) for day in range(1, 7)]
    aside = run_of(7, 99.0, branch="feature")
    without_git = msgspec.structs.replace(run_of(8, 8.0), commits=[])
    of_no_branch = run_of(8, 99.0, branch=None)
    unclean = [Commit(id="f" * 40, dirty=True, branch="main")]
    dirty = msgspec.structs.replace(run_of(9, 99.0), commits=unclean)
    now = run_of(10, 50.0)
    entries = history(*earlier, aside, without_git, of_no_branch, dirty, now)
    stored, refused = last_runs(now, entries, Asked(3))
    (case,) = stored.cases
    assert [each.total_j for each in case.rounds] == pytest.approx([5.0, 6.0, 8.0])
    assert (refused, stored.created) == ({}, "2026-01-08T00:00:00Z")
    other, _ = last_runs(now, entries, Asked(9, "feature"))
    assert [each.total_j for each in other.cases[0].rounds] == pytest.approx([99.0, 8.0])
    (curve,) = with_trends(now, stored).cases[0].series
    assert [x for x, _ in curve.points] == [-3.0, -2.0, -1.0, 0.0]
    assert [y for _, y in curve.points] == pytest.approx([5.0, 6.0, 8.0, 50.0])


@pytest.mark.parametrize(
    "other",
    [
        lambda run: msgspec.structs.replace(
            run, machine=msgspec.structs.replace(run.machine, fingerprint="x")
        ),
        lambda run: msgspec.structs.replace(run, settings={**run.settings, "preset": "paper"}),
        lambda run: msgspec.structs.replace(run, meters=run.meters[:1]),
        lambda _: run_of(1, 1.0, 1.0),  # another number of rounds
    ],
)
def test_runs_that_are_not_alike_are_no_reference_and_that_is_said(other):
    now = run_of(2, 1.0)
    stored, refused = last_runs(now, history(other(run_of(1, 1.0))), Asked(5))
    assert "no earlier run of the case (1) has" in refused[now.cases[0].nodeid]
    assert stored.cases[0].rounds == []
    alike = msgspec.structs.replace(run_of(1, 1.0), settings={**now.settings, "pue": 9.9})
    assert last_runs(now, history(alike), Asked(5))[1] == {}
    assert last_runs(now, [], Asked(5))[0].cases == []


def test_runs_of_its_own_commit_are_the_reference_of_uncommitted_changes():
    base = run_of(1, 1.0, commit="a" * 40)
    for dirty, found in ((True, [1.0]), (False, [])):
        commits = [Commit(id="a" * 40, branch="main", dirty=dirty)]
        now = msgspec.structs.replace(run_of(2, 2.0), commits=commits)
        cases = last_runs(now, history(base), Asked(5))[0].cases
        assert [each.total_j for case in cases for each in case.rounds] == found


def test_a_case_whose_earlier_runs_decide_nothing_is_not_comparable_and_not_new():
    busy = [msgspec.structs.replace(each, spoiled="machine busy") for each in history(run_of(1, 1))]
    now = run_of(2, 1.0)
    stored, refused = last_runs(now, busy, Asked(5))
    assert "this machine (quiet)" in refused[now.cases[0].nodeid]
    assert stored.cases[0].rounds == []


def test_a_branch_that_no_run_is_of_is_refused_with_those_that_there_are():
    dirty = msgspec.structs.replace(
        run_of(3, 1.0), commits=[Commit(id="f" * 40, branch="main", dirty=True)]
    )
    entries = history(run_of(1, 1.0, branch="trunk"), dirty)
    check_branch(entries, Asked(1, "trunk"))
    check_branch(history(msgspec.structs.replace(run_of(1, 1.0), commits=[])), Asked(1))
    for asked, there, name in (
        (Asked(1), entries, r"no run of main or master .*\(its branches: main, trunk\)"),
        (Asked(1, "old"), entries, "no run of old "),
        (Asked(1), [], r"\(its branches: none\)"),
        (Asked(1), history(run_of(1, 1.0, branch=None)), r"\(its branches: none\)"),
    ):
        with pytest.raises(StorageError, match=name):
            check_branch(there, asked)


def test_what_is_asked_for_is_a_number_of_runs_and_perhaps_a_branch():
    assert parse_asked("main") is None
    assert parse_asked("history:10") == (10, "")
    assert parse_asked("history:5@release/1.x") == (5, "release/1.x")
    for text in ("history:", "history:0", "history:-1", "history:ten", "history:3@"):
        with pytest.raises(StorageError, match="history:K"):
            parse_asked(text)


def test_joules_per_unit_are_kept():
    case = make_case("test_a", 10.0, 40.0)
    rounds = [msgspec.structs.replace(each, units={"token": 10.0}) for each in case.rounds]
    run = make_run(msgspec.structs.replace(case, rounds=rounds, units={"token": 10.0}))
    (entry,) = entries_of(run)
    assert (entry.joules(), entry.joules("token")) == (pytest.approx(20.0), pytest.approx(2.0))
    later = msgspec.structs.replace(run, commits=[Commit(id="1" * 40)])
    (case,) = last_runs(later, [entry], Asked(1))[0].cases
    assert case.rounds[0].units["token"] == pytest.approx(10.0)
    assert isinstance(run, Run)
