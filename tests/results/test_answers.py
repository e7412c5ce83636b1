"""Right and wrong answers as a short text."""

import random

import pytest

from pytest_energybench.results.answers import pack, unpack


@pytest.mark.parametrize("number", [0, 1, 8, 719, 2500])
def test_answers_come_back_bit_by_bit(number):
    chance = random.Random(number)
    right = [chance.random() > 0.02 for _ in range(number)]
    total, bits = unpack(pack(right))
    assert total == number
    assert [bool(bits >> place & 1) for place in range(number)] == right


def test_answers_of_a_good_model_are_short():
    chance = random.Random(0)
    assert len(pack([chance.random() > 0.02 for _ in range(2500)])) < 300


@pytest.mark.parametrize(
    "text",
    ["", "3", "3:", "3:!!", "-3:eJwDAAAAAAE=", "9" * 30 + ":eJwDAAAAAAE=", "²:eJwDAAAAAAE=",
     pack([True] * 9).replace("9:", "7:"), pack([True] * 9).replace("9:", "900:"),
     pack([True] * 9)[:-6], pack([True] * 10**6).replace("1000000:", "8:")],
)  # fmt: skip
def test_what_is_no_such_text_is_nothing(text):
    assert unpack(text) is None
