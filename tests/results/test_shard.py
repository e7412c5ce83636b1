"""Cases split over machines that know nothing of each other."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_energybench.results.errors import ShardError
from pytest_energybench.results.merge import parse_shard, take_shard

CASES = [(f"t.py::test[{model}-{method}]", model) for model in "abcdefg" for method in range(5)] + [
    (f"t.py::test_{number}", None) for number in range(9)
]


def test_a_shard_is_index_and_count():
    assert parse_shard("3/8") == (3, 8)
    assert parse_shard(" 1/1 ") == (1, 1)


@pytest.mark.parametrize(
    "text", ["", "3", "0/8", "9/8", "3/0", "-1/8", "a/b", "3/8/1", "1.0/8", "٣/8"]
)
def test_what_is_no_shard_is_refused(text):
    with pytest.raises(ShardError, match="INDEX/COUNT"):
        parse_shard(text)


@given(st.text(max_size=10))
def test_whatever_is_read_the_answer_is_a_shard_or_one_line(text):
    try:
        index, count = parse_shard(text)
    except ShardError as refused:
        index, count, message = 1, 1, str(refused)
        assert_one_line(message)
    assert 1 <= index <= count


def assert_one_line(message):
    assert len(message.splitlines()) == 1


@pytest.mark.parametrize("count", [1, 2, 3, 8, 50])
def test_the_shards_together_are_all_cases_once(count):
    shards = [take_shard(CASES, index, count) for index in range(1, count + 1)]
    together = [nodeid for shard in shards for nodeid in shard]
    assert sorted(together) == sorted(nodeid for nodeid, _ in CASES)


@pytest.mark.parametrize("count", [2, 3, 8])
def test_a_group_is_in_one_shard(count):
    group_of = dict(CASES)
    shards = [take_shard(CASES, index, count) for index in range(1, count + 1)]
    places = [{group_of[nodeid] for nodeid in shard} - {None} for shard in shards]
    assert sum(len(groups) for groups in places) == 7


def test_the_order_of_collection_does_not_change_the_split_and_is_kept_within_a_shard():
    shuffled = CASES.copy()
    random.Random(3).shuffle(shuffled)
    mine = take_shard(shuffled, 2, 3)
    assert set(mine) == set(take_shard(CASES, 2, 3))
    assert mine == [nodeid for nodeid, _ in shuffled if nodeid in set(mine)]


def test_shards_are_of_like_size():
    sizes = [len(take_shard(CASES, index, 4)) for index in range(1, 5)]
    assert max(sizes) - min(sizes) <= 1


def test_a_case_named_like_a_group_is_still_a_case_of_its_own():
    cases = [("g", None), ("a", "g"), ("b", "g")]
    assert sorted(map(tuple, (take_shard(cases, 1, 2), take_shard(cases, 2, 2)))) == [
        ("a", "b"),
        ("g",),
    ]
