"""How often the accuracy rule is wrong: simulated trainings, and exact sums for one round."""

import math
import random
from collections import Counter
from itertools import pairwise

import pytest

from pytest_energybench.gates.accuracy import Score, judge_accuracy, mcnemar_bounds

ONE_POINT = 0.01
TRIALS = 1_500


def findings(loss, *, seeds=5, images=719, spread=4.0):
    """How often each finding comes out where a method truly loses `loss` (a fraction), and the
    difference of a pair of trainings has a standard deviation of `spread` images."""
    chance = random.Random(f"{loss} {seeds}")
    found = Counter()
    for _ in range(TRIALS):
        base = [round(chance.gauss(0.97 * images, 3)) for _ in range(seeds)]
        ours = [round(each + chance.gauss(-loss * images, spread)) for each in base]
        judged = judge_accuracy(
            Score(sum(ours) / seeds / images, rounds=tuple(each / images for each in ours)),
            Score(sum(base) / seeds / images, rounds=tuple(each / images for each in base)),
            ONE_POINT,
        )
        found[judged.finding] += 1
    return {finding: count / TRIALS for finding, count in found.items()}


def test_equal_models_are_kept_and_never_lost():
    found = findings(0.0)
    assert found.get("kept", 0) + found.get("better", 0) > 0.93
    assert found.get("lost", 0) < 0.002


def test_a_loss_of_two_points_is_lost_and_never_kept():
    found = findings(0.02)
    assert found["lost"] > 0.9
    assert found.get("kept", 0) < 0.002


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_a_loss_at_the_limit_is_called_either_in_one_of_twenty_at_most(seeds):
    found = findings(ONE_POINT, seeds=seeds)
    noise = 3 * math.sqrt(0.05 * 0.95 / TRIALS)
    assert found.get("lost", 0) < 0.05 + noise
    assert found.get("kept", 0) + found.get("better", 0) < 0.05 + noise


def chance_of_failing(images, discordant):
    """Of equal models: each discordant image, a share of all, is lost by either with chance 1/2."""
    allowed = math.floor(ONE_POINT * images + 1e-9)
    total, share = 0.0, 1.0
    for both in range(images + 1):
        differ = math.exp(
            math.lgamma(images + 1)
            - math.lgamma(both + 1)
            - math.lgamma(images - both + 1)
            + both * math.log(discordant)
            + (images - both) * math.log1p(-discordant)
        )
        share -= differ
        least = (both + allowed) // 2 + 1  # lost, so that lost - gained > allowed
        total += differ * sum(math.comb(both, lost) for lost in range(least, both + 1)) / 2**both
        if both > images * discordant and share < 1e-12:
            break
    return total


def test_the_point_rule_needs_more_images_than_digits_has():
    rates = [chance_of_failing(719, share) for share in (0.01, 0.02, 0.03, 0.04)]
    assert rates == pytest.approx([0.003, 0.024, 0.053, 0.08], abs=0.003)
    assert all(low < high for low, high in pairwise(rates))
    assert chance_of_failing(2500, 0.02) < 0.001
    assert chance_of_failing(2500, 0.04) < 0.02


def test_mcnemars_bounds_hold_as_often_as_they_say():
    """Exact: 2,500 images, 2 % discordant, a true loss of .4 points."""
    images, gained, lost = 2500, 0.008, 0.012
    true, above, below = gained - lost, 0.0, 0.0
    for a in range(60):
        for b in range(70):
            chance = math.exp(
                a * math.log(gained * images)
                - gained * images
                - math.lgamma(a + 1)
                + b * math.log(lost * images)
                - lost * images
                - math.lgamma(b + 1)
            )
            if chance > 1e-6:
                low, high = mcnemar_bounds(a, b, images)
                above += chance * (low > true)
                below += chance * (high < true)
    assert 0.035 < above < 0.06
    assert 0.035 < below < 0.06
