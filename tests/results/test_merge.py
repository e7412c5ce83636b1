"""Parts of one whole, put together."""

import subprocess
import sys

import msgspec
import pytest

from pytest_energybench.results.errors import MergeError
from pytest_energybench.results.merge import Part, merge
from pytest_energybench.results.model import Commit, MeterInfo, Shard
from tests.results.samples import MACHINE, make_case, make_run

A, B, C = (make_case(f"test_{letter}", 1.0) for letter in "abc")


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


def test_nothing_to_merge_is_refused():
    with pytest.raises(MergeError, match="nothing to merge"):
        merge([])


MERGE_MANY = """
import sys, time
from pytest_energybench.gates.judge import judge_run
from pytest_energybench.results.run_file import read_run, write_run
from pytest_energybench.results.merge import Part, merge
from tests.processes import peak_bytes
started = time.monotonic()
whole = merge([Part(path, read_run(path)) for path in sys.argv[2:]]).run
write_run(judge_run(whole), sys.argv[1])
print(len(whole.cases), time.monotonic() - started)
print(peak_bytes() / 2**30)
"""


@pytest.mark.slow
def test_a_hundred_thousand_cases_are_merged_in_twenty_seconds_and_a_gigabyte(tmp_path):
    from pytest_energybench.gates.comparisons import judge_group
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
    count, seconds, gigabytes = map(float, done.stdout.split())
    print(f"{count:,.0f} cases merged in {seconds:.1f} s and {gigabytes:.2f} GiB")  # docs/scale.md
    assert count == 100_000
    assert seconds <= 20
    assert gigabytes <= 1
