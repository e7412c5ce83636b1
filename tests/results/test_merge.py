"""Parts of one whole, put together."""

import subprocess
import sys
from functools import partial

import msgspec
import pytest

from pytest_energybench.gates.accuracy import Score, judge_accuracy, judge_group_accuracy
from pytest_energybench.gates.comparisons import judge_budget, judge_group
from pytest_energybench.gates.judge import judge_run, settled
from pytest_energybench.gates.results import judged, passes
from pytest_energybench.measurement.aggregate import join_parts
from pytest_energybench.results.errors import MergeError
from pytest_energybench.results.merge import Part
from pytest_energybench.results.merge import merge as merge_with
from pytest_energybench.results.model import (
    Commit,
    Comparison,
    MeterInfo,
    Result,
    Shard,
    StoredRun,
)
from tests.results.samples import MACHINE, make_case, make_run

A, B, C = (make_case(f"test_{letter}", 1.0) for letter in "abc")
merge = partial(merge_with, join=partial(join_parts, pue=2.0))


def parts(*runs):
    return [Part(f"{number}.json", run) for number, run in enumerate(runs, start=1)]


def test_the_whole_has_all_cases_in_order_and_the_earliest_time():
    first = make_run(A, B, created="2026-01-02T00:00:00Z", errors=["one", "both"])
    second = make_run(C, created="2026-01-01T00:00:00Z", errors=["both", "two"])
    merged = merge(parts(first, second))
    assert merged.run.cases == [A, B, C]
    assert merged.run.created == "2026-01-01T00:00:00Z"
    assert merged.run.errors == ["one", "both", "two"]
    assert (merged.missing, merged.differing) == ((), ())


def test_a_carbon_intensity_that_differs_between_parts_is_not_known_of_the_whole():
    def of(case, intensity):
        settings = {"pue": 2.0, "carbon_intensity": intensity, "embodied_g_per_h": 40.0}
        return make_run(case, settings=settings)

    merged = merge(parts(of(A, 300.0), of(B, 310.0)))
    assert merged.run.settings == {"pue": 2.0, "embodied_g_per_h": 40.0}
    assert merged.differing == ()
    assert merge(parts(of(A, 300.0), of(B, 300.0))).run.settings["carbon_intensity"] == 300.0


@pytest.mark.parametrize(
    ("fields", "difference"),
    [
        ({"machine": msgspec.structs.replace(MACHINE, fingerprint="x", cpu="Z")}, "cpu is Z here"),
        ({"meters": [MeterInfo(domain="cpu", source="rapl", provenance="measured")]}, "by rapl"),
        ({"settings": {"pue": 1.0, "rounds": 1, "preset": "quick"}}, "pue is 1.0 here"),
        ({"commits": [Commit(id="2" * 40)]}, "commit is 222222222222 here and 111111111111 there"),
        ({"shard": Shard(index=2, count=4)}, "4 shards here and 2 there"),
    ],
)
def test_parts_that_do_not_agree_are_refused_with_what_differs_and_where(fields, difference):
    first = make_run(A, commits=[Commit(id="1" * 40)], shard=Shard(index=1, count=2))
    second = msgspec.structs.replace(
        first, cases=[B], **{"shard": Shard(index=2, count=2), **fields}
    )
    with pytest.raises(MergeError) as refused:
        merge(parts(first, second))
    message = str(refused.value)
    assert difference in message
    assert "(2.json, 1.json)" in message
    assert len(message.splitlines()) == 1
    merged = merge(parts(first, second), allow_mismatch=True)
    assert difference in merged.differing[0]
    assert difference in " ".join(merged.run.errors)
    assert {each.id[0] for each in merged.run.commits} == (
        {"1", "2"} if "commits" in fields else {"1"}
    )


def test_a_commit_is_one_whatever_branch_a_part_was_made_on():
    on_main = Commit(id="1" * 40, branch="main")
    merged = merge(
        parts(
            make_run(A, commits=[Commit(id="1" * 40)]),
            make_run(B, commits=[on_main]),
            make_run(C, commits=[Commit(id="1" * 40, branch="other")]),
        )
    )
    assert merged.run.commits == [on_main]


def test_a_case_in_two_parts_is_refused():
    with pytest.raises(MergeError, match=r"test_b is in 1\.json and in 2\.json"):
        merge(parts(make_run(A, B), make_run(B, C)))
    with pytest.raises(MergeError, match=r"test_a is in 1\.json and in 1\.json"):
        merge(parts(make_run(A, A)))


def test_many_duplicates_make_one_short_line():
    many = make_run(*(make_case(f"test_{number}", 1.0) for number in range(500)))
    with pytest.raises(MergeError, match="and 497 more"):
        merge(parts(many, many))


def test_a_missing_shard_and_a_missing_case_are_found_and_stay_visible():
    first = make_run(A, shard=Shard(index=1, count=3, planned=[A.nodeid, B.nodeid]))
    third = make_run(C, shard=Shard(index=3, count=3, planned=[C.nodeid]))
    merged = merge(parts(first, third))
    assert merged.missing == (
        "shard 2/3 is missing",
        f"{B.nodeid} is missing: 1.json was to run it",
    )
    assert merged.run.errors == list(merged.missing)
    assert merged.run.shard is None


def test_a_shard_that_comes_twice_is_refused():
    shard = Shard(index=1, count=2)
    with pytest.raises(MergeError, match=r"shard 1 is in 1\.json and in 2\.json"):
        merge(parts(make_run(A, shard=shard), make_run(B, shard=shard)))


MAIN = StoredRun(name="main", created="2026-01-01T00:00:00Z")


def test_the_whole_was_compared_with_the_stored_run_of_its_parts():
    """Of what one part did not run, the others ran some."""
    first, second = (
        msgspec.structs.replace(MAIN, differences=[*lines, "both"], stale=stale, not_run=not_run)
        for lines, stale, not_run in (
            (["os"], ["gone", "moved"], [B.nodeid, C.nodeid, "left"]),
            (["cores"], ["gone"], [A.nodeid, C.nodeid, "left", "other"]),
        )
    )
    runs = make_run(A, compared_with=first), make_run(B, compared_with=second)
    assert merge(parts(*runs)).run.compared_with == msgspec.structs.replace(
        MAIN, differences=["os", "both", "cores"], stale=["gone"], not_run=[C.nodeid, "left"]
    )
    assert merge(parts(runs[0])).run.compared_with == msgspec.structs.replace(
        first, not_run=[B.nodeid, C.nodeid, "left"]
    )


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (None, "none"),
        (StoredRun(name="release"), "release"),
        (msgspec.structs.replace(MAIN, created="2026-01-02T00:00:00Z"), "main"),
        (msgspec.structs.replace(MAIN, commit=Commit(id="2" * 40)), "main"),
    ],
)
def test_parts_that_were_compared_with_unlike_runs_are_compared_with_none(other, named):
    merged = merge(parts(make_run(A, compared_with=MAIN), make_run(B, compared_with=other)))
    assert merged.run.compared_with is None
    assert merged.run.errors == [
        f"the runs were not compared with one stored run: main (1.json), {named} (2.json)"
    ]


def test_nothing_to_merge_is_refused():
    with pytest.raises(MergeError, match="nothing to merge"):
        merge([])


MERGE_MANY = """
import json, sys, time
from pathlib import Path
from pytest_energybench.gates.judge import judge_run
from pytest_energybench.results.run_file import read_run, write_run
from pytest_energybench.results.merge import Part, merge
from tests.processes import peak_bytes
started = time.process_time()
whole = merge([Part(path, read_run(path)) for path in sys.argv[2:]], join=list).run
write_run(judge_run(whole), sys.argv[1])
print(len(whole.cases), time.process_time() - started)
print(peak_bytes() / 2**30)
started = time.process_time()
for path in sys.argv[2:]:
    json.loads(Path(path).read_bytes())
print(time.process_time() - started)
"""


@pytest.mark.slow
def test_a_hundred_thousand_cases_are_merged_in_a_gigabyte_and_six_times_a_plain_parse(
    tmp_path,
):
    """Against a plain parse of the same files, since CPUs differ."""
    from pytest_energybench.results.run_file import write_run

    paths = []
    for part in range(8):
        cases = []
        for group in range(2500):
            name = f"test_model_{part}_{group}"
            plain = make_case(f"{name}[plain]", 10.0, 11.0, group=name, baseline=True)
            cases.append(plain)
            for method in range(4):
                case = make_case(f"{name}[m{method}]", 9.0, 10.5, group=name)
                made = judge_group(case, plain, margin=0.0, interleaved=True)
                cases.append(msgspec.structs.replace(case, comparisons=[made], result=made.judged))
        paths.append(tmp_path / f"{part}.json")
        write_run(make_run(*cases, shard=Shard(index=part + 1, count=8)), paths[-1])
    done = subprocess.run(
        [sys.executable, "-c", MERGE_MANY, tmp_path / "whole.json", *paths],
        capture_output=True,
        text=True,
        check=True,
    )
    count, seconds, gigabytes, parsing = map(float, done.stdout.split())
    print(f"{count:,.0f} cases: {seconds:.1f} s, {parsing:.1f} to parse, {gigabytes:.2f} GiB")
    assert count == 100_000
    assert seconds <= 6 * parsing
    assert gigabytes <= 1


def seeded(seed, joules, *, accuracy=0.9, **fields):
    """A baseline at 10 J and a case, as one run with one seed judged them."""
    cases = []
    for name, each in (("plain", 10.0), ("method", joules)):
        case = make_case(name, each, group="g", baseline=name == "plain", **fields)
        metrics = {"accuracy": accuracy if name == "method" else 0.9}
        rounds = [msgspec.structs.replace(case.rounds[0], seed=seed, metrics=metrics)]
        cases.append(msgspec.structs.replace(case, rounds=rounds, metrics=metrics))
    plain, case = cases
    rules = [judge_group(case, plain, margin=0.0, interleaved=False)]
    rules.append(judge_group_accuracy(case, plain, 0.01))
    case = judged(msgspec.structs.replace(case, comparisons=rules))
    return make_run(plain, case, settings={"pue": 2.0, "rounds": 1, "seed": seed})


def whole_of(*runs):
    """The case with the method, after the parts were put together and judged."""
    merged = merge(parts(*runs))
    return merged.run, settled(judge_run(merged.run).cases[1])


def test_rounds_of_other_seeds_are_one_case_in_their_order_and_judged_anew():
    runs = [seeded(seed, joules) for seed, joules in ((4, 8.1), (2, 8.0), (3, 10.1))]
    runs[2] = msgspec.structs.replace(  # more than the baseline, as the paper has it
        runs[2],
        cases=[
            runs[2].cases[0],
            msgspec.structs.replace(runs[2].cases[1], outcome="xfailed", expected="paper"),
        ],
    )
    run, case = whole_of(*runs)
    assert run.settings == {"pue": 2.0, "rounds": 3, "seed": 2}
    assert [each.seed for each in case.rounds] == [2, 3, 4]
    assert (case.total_j, case.facility_j) == (8.1, 16.2)
    assert [(each.method, each.n) for each in case.comparisons] == [("paired", 3)] * 2
    # The bounds of 8.0, 10.1 and 8.1 of 10 J allow for more; that is what was expected.
    assert (case.outcome, case.expected, case.result.kind) == ("xfailed", "paper", "xfail")
    _, case = whole_of(*(seeded(seed, 8 + seed / 10) for seed in range(3)))
    assert (case.outcome, case.expected, case.result.kind) == ("passed", "", "pass")
    lossy = [seeded(seed, 8.0, accuracy=0.8, expected="paper") for seed in range(3)]
    _, case = whole_of(*lossy)
    assert (case.outcome, case.result.reason) == ("failed", "accuracy lost")


def test_a_part_that_broke_off_is_not_made_good_by_the_others():
    broken = seeded(1, 9.0)
    case = make_case("method", 1.0, group="g", outcome="failed", rounds=[], errors=["no memory"])
    broken = msgspec.structs.replace(broken, cases=[broken.cases[0], case])
    for runs in ((seeded(0, 9.0), broken, seeded(2, 9.0)), (broken, seeded(2, 9.0))):
        _, case = whole_of(*runs)
        assert {each.seed for each in case.rounds} == {0, 2} & {
            each.settings["seed"] for each in runs
        }
        assert (case.outcome, case.result.kind, case.errors) == ("failed", "fail", ["no memory"])


def test_a_rule_that_failed_in_one_part_and_is_not_judged_anew_has_failed():
    """A limit stated in the test itself, an A/B comparison, and one with a stored run."""
    stated = judge_accuracy(Score(0.8), Score(0.9), 0.01)
    main = Comparison(
        reference="stored",
        name="main",
        nodeid=make_case("method", 1.0).nodeid,
        finding="higher",
        judged=Result(kind="fail", reason="more than main"),
    )
    for made, outcome in ((judge_budget(9.0, 5.0), "failed"), (stated, "failed"), (main, "passed")):
        failed = seeded(1, 9.0)
        case = failed.cases[1]
        case = msgspec.structs.replace(
            case, outcome=outcome, comparisons=[*case.comparisons, made, judge_budget(1.0, 2.0)]
        )
        failed = msgspec.structs.replace(failed, cases=[failed.cases[0], judged(case)])
        for runs in ((failed, seeded(2, 9.0)), (seeded(0, 9.0), failed, seeded(2, 9.0))):
            _, case = whole_of(*runs)
            assert [each for each in case.comparisons if not passes(each)] == [made]
            assert (case.outcome, case.result) == (outcome, made.judged)


def test_an_accuracy_of_one_part_is_not_that_of_all():
    without = seeded(1, 9.0)
    rounds = [msgspec.structs.replace(without.cases[1].rounds[0], metrics={})]
    case = msgspec.structs.replace(without.cases[1], rounds=rounds, metrics={}, comparisons=[])
    without = msgspec.structs.replace(without, cases=[without.cases[0], case])
    _, case = whole_of(without, seeded(2, 9.0))
    assert case.metrics == {}
    assert (case.outcome, case.result.reason) == ("failed", "not measured")


def test_shards_are_those_of_a_seed_and_a_seed_comes_once():
    first, second = (
        msgspec.structs.replace(seeded(seed, 9.0), shard=Shard(index=1, count=2)) for seed in (0, 1)
    )
    assert merge(parts(first, second)).missing == (
        "shard 2/2 of seed 0 is missing",
        "shard 2/2 of seed 1 is missing",
    )
    with pytest.raises(MergeError, match=r"plain is with seed 1 in 1\.json and in 2\.json"):
        merge(parts(seeded(1, 9.0), seeded(1, 9.0)))
    unlike = make_run(*seeded(2, 9.0).cases, settings={})
    unseeded = [
        msgspec.structs.replace(
            case, rounds=[msgspec.structs.replace(each, seed=None) for each in case.rounds]
        )
        for case in seeded(1, 9.0).cases
    ]
    unseeded = make_run(*unseeded, settings=seeded(1, 9.0).settings)
    for first, second in ((seeded(1, 9.0), unlike), (unseeded, seeded(1, 9.0))):
        with pytest.raises(MergeError, match=r"plain is in 1\.json and in 2\.json"):
            merge(parts(first, second), allow_mismatch=True)
