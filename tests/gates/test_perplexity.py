"""Perplexity beside accuracy: what rounds show, what one round says, and what blocks tell."""

from __future__ import annotations

import math
import re

import pytest
from msgspec.structs import replace

from pytest_energybench.gates.accuracy import judge_group_accuracy
from pytest_energybench.gates.judge import judge_run
from pytest_energybench.gates.perplexity import judge_group_perplexity
from pytest_energybench.results import answers
from pytest_energybench.results.model import Case, Machine, Round, Run, Scalar, Series


def case(name: str, *perplexities: Scalar, curve: dict[str, list[float]] | None = None) -> Case:
    rounds = [
        Round(
            started="",
            duration_s=1.0,
            energy_j={},
            total_j=None,
            seed=number,
            metrics={"correct": 500, "total": 1000, "perplexity": each},
        )
        for number, each in enumerate(perplexities)
    ]
    series = [
        Series(name=of, x="block", points=[(float(i), each) for i, each in enumerate(values)])
        for of, values in (curve or {}).items()
    ]
    return Case(
        nodeid=name,
        name=name,
        group="g",
        baseline=name == "dense",
        rounds=rounds,
        metrics={"accuracy": 0.5, "correct": 500, "total": 1000},
        series=series,
    )


@pytest.mark.parametrize(
    ("ours", "theirs", "finding", "reason"),
    [
        ([4.03], [4.0], "kept", ""),
        ([4.05], [4.0], "lost", "more than dense"),
        ([4.01, 5.02, 3.01], [4.0, 5.0, 3.0], "kept", ""),
        ([4.1, 5.1, 3.1], [4.0, 5.0, 3.0], "lost", "more than dense"),
        ([4.0, 5.2, 2.9], [4.0, 5.0, 3.0], "undecided", "too noisy"),
        ([4.0, None], [4.0, 5.0], "undecided", "not measured"),
        ([math.nan], [4.0], "undecided", "not measured"),
        ([0.5], [4.0], "undecided", "not measured"),  # no perplexity is below 1
        ([], [4.0], "undecided", "not measured"),
        ([4.0, 4.0, 4.0], [4.0, 4.0], "kept", ""),  # seeds 0 and 1 of both
    ],
)
def test_a_rise_of_more_than_the_limit_is_lost_and_what_is_not_shown_does_not_pass(
    ours: list[Scalar], theirs: list[Scalar], finding: str, reason: str
) -> None:
    made = judge_group_perplexity(case("ours", *ours), case("dense", *theirs), 0.01)
    assert made.judged is not None
    assert (made.finding, made.judged.reason) == (finding, reason)
    assert made.judged.kind == ("pass" if finding == "kept" else "fail")


def test_several_rounds_that_are_no_pairs_decide_nothing() -> None:
    ours, dense = case("ours", 4.0, 4.0), case("dense", 4.0, 4.0)
    others = [replace(each, seed=number + 7) for number, each in enumerate(ours.rounds)]
    made = judge_group_perplexity(replace(ours, rounds=others), dense, 0.01)
    assert made.judged is not None
    assert (made.finding, made.judged.reason) == ("undecided", "not comparable")
    assert "no two pairs of rounds" in made.judged.text


def test_of_rounds_that_are_pairs_in_part_the_pairs_are_shown_that_were_compared() -> None:
    """A third round of the case has no partner."""
    made = judge_group_perplexity(case("ours", 4.0, 4.0, 40.0), case("dense", 4.0, 4.0), 0.01)
    assert made.judged is not None
    said = r"perplexity 4(\.0+)? keeps within 1\.0 % of dense's 4(\.0+)?: 0\.0 %"
    assert re.fullmatch(said, made.judged.text)
    other = judge_group_perplexity(case("ours", 4.0, 4.0), case("dense", 4.0, 4.0, 40.0), 0.01)
    assert other.limit == pytest.approx(4.04)


def test_one_round_is_told_with_bounds_over_blocks_and_not_over_tokens() -> None:
    losses = [1.0, 1.5, 0.9, 1.2]
    dense = case(
        "dense",
        4.0,
        curve={answers.BLOCK_LOSS: losses, answers.BLOCK_ACCURACY: [0.5, 0.4, 0.6, 0.5]},
    )
    worse = [each + 0.1 for each in losses]
    ours = case(
        "ours",
        4.01,
        curve={answers.BLOCK_LOSS: worse, answers.BLOCK_ACCURACY: [0.4, 0.4, 0.6, 0.5]},
    )
    made = judge_group_perplexity(ours, dense, 0.01)
    assert made.interval == pytest.approx((math.expm1(0.1), math.expm1(0.1)))
    assert made.n == 1
    accuracy = judge_group_accuracy(ours, dense, 0.01)
    assert accuracy.interval == pytest.approx((-0.0838, 0.0338), abs=1e-4)  # t of 4 blocks
    without = judge_group_accuracy(case("ours", 4.0), dense, 0.01)
    assert without.interval is None  # other blocks, or none: no bounds of independent tokens


def test_a_merged_run_is_judged_again_with_the_margin_it_was_made_with() -> None:
    dense, ours = case("dense", 4.0), case("ours", 4.2)
    kept = judge_group_perplexity(ours, dense, 0.10)
    judged = judge_run(
        Run(
            machine=Machine(fingerprint="", cpu="", cores=1, memory_bytes=0),
            cases=[dense, Case(**{**_fields(ours), "comparisons": [kept]})],
        )
    )
    again = next(each for each in judged.cases[1].comparisons if each.quantity == "perplexity")
    assert (again.finding, again.margin) == ("kept", 0.10)


def _fields(case: Case) -> dict[str, object]:
    return {name: getattr(case, name) for name in case.__struct_fields__}
