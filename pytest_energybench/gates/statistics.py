"""The statistics behind a finding: two tests on log ratios, their bounds, Holm, the decision.

Energies of repeated rounds are compared on the log scale, where a relative change is a shift and
a machine's noise, which grows with the figure, is even. One sample is one independent round.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from statistics import NormalDist, fmean
from typing import Literal

from pytest_energybench.results.model import Finding

CONFIDENCE = 0.95
"""Confidence of each one-sided bound; 1 - CONFIDENCE is the risk of a false alarm."""

RISK = 1 - CONFIDENCE

NO_PAIRS = "; there are no two pairs of rounds: their seeds or their numbers differ"
"""What is said where `make_no_pairs` holds."""


def student_t_tail(t: float, df: float) -> float:
    """P(T > t) of Student's t with `df` degrees of freedom (any real number above 0).

    Half of the regularised incomplete beta function I_x(df/2, 1/2) at x = df / (df + t^2)
    (Abramowitz & Stegun, 26.5.27 and 26.7.1).
    """
    if not df > 0:
        raise ValueError(f"degrees of freedom must be above 0, not {df!r}")
    half = 0.5 * _incomplete_beta(df / 2, 0.5, t * t / df)
    return half if t >= 0 else 1.0 - half


@lru_cache(maxsize=4096)
def student_t_quantile(p: float, df: float) -> float:
    """The t that Student's t with `df` degrees of freedom stays below with probability `p`.

    Newton's method on the upper tail, which is convex for t > 0, so that every step ends below the
    root and the next ones climb to it. It starts from Wallace's approximation by the normal
    quantile (Annals of Mathematical Statistics 30, 1959), without its correction.
    """
    if not 0 < p < 1:
        raise ValueError(f"a probability must lie between 0 and 1, not {p!r}")
    if p < 0.5:
        return -student_t_quantile(1 - p, df)
    log_scale = math.lgamma((df + 1) / 2) - math.lgamma(df / 2) - 0.5 * math.log(df * math.pi)
    t = math.sqrt(df * math.expm1(min(NormalDist().inv_cdf(p) ** 2 / df, 700.0)))
    for _ in range(200):
        density = math.exp(log_scale - (df + 1) / 2 * math.log1p(t * t / df))
        step = (student_t_tail(t, df) - (1 - p)) / density
        t += step
        if abs(step) <= 1e-13 * (1 + t):
            break
    return t


def _incomplete_beta(a: float, b: float, odds: float) -> float:
    """I_x(a, b) at x = 1 / (1 + odds), so that neither x nor 1 - x loses digits near 0.

    Lentz's evaluation of the continued fraction (Press et al., Numerical Recipes, 6.4).
    """
    x, rest = 1 / (1 + odds), odds / (1 + odds)
    if rest == 0:
        return 1.0
    if x > (a + 1) / (a + b + 2):
        return 1.0 - _incomplete_beta(b, a, 1 / odds)
    if x == 0:
        return 0.0
    tiny = 1e-300
    c, d = 1.0, 1 / (1 - (a + b) * x / (a + 1) or tiny)
    fraction = d
    for m in range(1, 1000):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / (1 + term * d or tiny)
            c = 1 + term / c or tiny
            fraction *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    log_beta = math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
    return fraction * math.exp(a * math.log(x) + b * math.log(rest) - log_beta) / a


@dataclass(frozen=True, slots=True)
class Estimate:
    """A log ratio of energies, candidate over reference, and how well it is known.

    Attributes:
        log_ratio: mean of ln(candidate / reference); 0 is no change.
        error: standard error of `log_ratio`.
        df: degrees of freedom of that error.
        n: independent rounds (of `prediction` runs) it rests on; of two samples, the smaller one.
    """

    log_ratio: float
    error: float
    df: float
    n: int
    method: Literal["paired", "welch", "prediction"]

    @property
    def bounds(self) -> tuple[float, float]:
        """One-sided 95 % lower and upper bound of `log_ratio`."""
        return self.log_ratio - self.reach(), self.log_ratio + self.reach()

    def reach(self, risk: float = RISK) -> float:
        """How far the bound lies from `log_ratio` that is wrong with this risk."""
        return student_t_quantile(1 - risk, self.df) * self.error

    @property
    def noise_floor(self) -> float:
        """The relative increase from which on such rounds can tell a change from none."""
        return relative(self.reach())

    def chance_above(self, log_limit: float) -> float:
        """p-value of "above the limit": the chance of such rounds were the true ratio at it."""
        if self.error == 0:
            return 0.0 if self.log_ratio > log_limit else 1.0
        return student_t_tail((self.log_ratio - log_limit) / self.error, self.df)

    def chance_below(self, log_limit: float) -> float:
        """p-value of "below the limit", the mirror of `chance_above`."""
        if self.error == 0:
            return 0.0 if self.log_ratio < log_limit else 1.0
        return student_t_tail((log_limit - self.log_ratio) / self.error, self.df)


def paired(candidate: Sequence[float], reference: Sequence[float]) -> Estimate:
    """Student's paired test on d_i = ln(candidate_i / reference_i), rounds interleaved (ABBA).

    What drifts slowly (temperature, clocks) hits both members of a pair and cancels in d_i.
    Source: Student, "The probable error of a mean", Biometrika 6 (1908).

    Args:
        candidate: joules of each round, above 0, two rounds or more.
        reference: joules of the same rounds.
    """
    if len(candidate) != len(reference) or len(candidate) < 2:
        raise ValueError("the paired test needs two or more rounds of both, and as many of each")
    ratios = [math.log(c) - math.log(r) for c, r in zip(candidate, reference, strict=True)]
    n = len(ratios)
    mean, variance = _mean_and_variance(ratios)
    return Estimate(mean, math.sqrt(variance / n), n - 1, n, "paired")


def welch(candidate: Sequence[float], reference: Sequence[float]) -> Estimate:
    """Welch's test on ln(joules): two samples taken at different times, variances unlike.

    Degrees of freedom by Welch and Satterthwaite. Source: Welch, "The generalization of
    'Student's' problem when several different population variances are involved", Biometrika 34
    (1947).

    Args:
        candidate: joules of each round, above 0, two rounds or more.
        reference: joules of each round, above 0, two rounds or more.
    """
    if len(candidate) < 2 or len(reference) < 2:
        raise ValueError("Welch's test needs two or more rounds of each")
    n_c, n_r = len(candidate), len(reference)
    mean_c, variance_c = _mean_and_variance([math.log(joules) for joules in candidate])
    mean_r, variance_r = _mean_and_variance([math.log(joules) for joules in reference])
    v_c, v_r = variance_c / n_c, variance_r / n_r
    spread = v_c + v_r
    if spread == 0:
        df = float(n_c + n_r - 2)
    else:  # shares of the spread, so that tiny variances do not vanish when squared
        df = 1 / ((v_c / spread) ** 2 / (n_c - 1) + (v_r / spread) ** 2 / (n_r - 1))
    return Estimate(mean_c - mean_r, math.sqrt(spread), df, min(n_c, n_r), "welch")


def prediction(candidate: Sequence[float], runs: Sequence[float]) -> Estimate:
    """One further run against earlier ones, each of them one draw with its own day and machine
    state: the bounds are those that a run which changed nothing would keep.

    The error is s * sqrt(1 + 1/k) of the mean of k runs (Hahn & Meeker, Statistical Intervals,
    chapter 4). s^2 is half the mean square of successive differences, so that a slow rise does not
    pass for noise; its degrees of freedom are 2 (k-1)^2 / (3k-4), from its variance under no rise
    (von Neumann et al., "The mean square successive difference", Annals of Mathematical Statistics
    12, 1941).

    Args:
        candidate: joules of the further run's rounds, above 0; as many as each earlier run has.
        runs: joules of each earlier run in the order of time, above 0, two or more.
    """
    logs = [math.log(joules) for joules in runs]
    k = len(logs)
    steps = [later - earlier for earlier, later in pairwise(logs)]
    variance = math.fsum(step * step for step in steps) / (2 * (k - 1))
    mean = math.fsum(map(math.log, candidate)) / len(candidate)
    return Estimate(
        log_ratio=mean - math.fsum(logs) / k,
        error=math.sqrt(variance * (1 + 1 / k)),
        df=2 * (k - 1) ** 2 / (3 * k - 4),
        n=k,
        method="prediction",
    )


def _mean_and_variance(values: Sequence[float]) -> tuple[float, float]:
    """Mean and unbiased variance, taken from the first value on: equal values have exactly none."""
    shifted = [value - values[0] for value in values]
    mean = math.fsum(shifted) / len(values)
    variance = math.fsum((value - mean) ** 2 for value in shifted) / (len(values) - 1)
    return values[0] + mean, variance


def mean_bounds(differences: Sequence[float], risk: float = RISK) -> tuple[float, float]:
    """t bounds of the mean of two or more independent differences, each wrong with this risk."""
    n = len(differences)
    mean, variance = _mean_and_variance(differences)
    reach = student_t_quantile(1 - risk, n - 1) * math.sqrt(variance / n)
    return mean - reach, mean + reach


def decide(lower: float, upper: float, margin: float) -> Finding:
    """The four-way decision on bounds of a relative change.

    `less`: the upper bound is below no change; `same`: both lie within the margin, up and down;
    `more`: the lower bound is above the margin; anything else is `unclear`.

    Args:
        margin: relative increase that is tolerated (0.03 is 3 %), 0 or more.
    """
    if upper < 0:
        return "less"
    if lower > margin:
        return "more"
    return "same" if -margin <= lower and upper <= margin else "unclear"


_MOST_ROUNDS = 1_000
"""From so many rounds on more of them are no advice: the change lies at the limit itself."""


def rounds_to_tell(n: int, change: float, bounds: tuple[float, float], margin: float) -> int | None:
    """About how many rounds would decide what these did not, if change and noise stay.

    A bound comes nearer with the root of the rounds, and as Student's t is less wide. The nearest
    of the three answers counts: below no change, above the margin, or within it on both sides.

    Args:
        n: rounds that the bounds rest on, two at least.
        bounds: of the relative change, on both sides of it.

    Returns:
        None where no number in reach would.
    """
    reach = max(change - bounds[0], bounds[1] - change)
    rooms = (-change, change - margin, min(margin - change, change + margin))
    room = max(rooms)
    if room <= 0 or reach <= 0:
        return None
    one = reach * math.sqrt(n) / student_t_quantile(CONFIDENCE, n - 1)
    return next(
        (
            more
            for more in range(n + 1, _MOST_ROUNDS)
            if student_t_quantile(CONFIDENCE, more - 1) * one <= room * math.sqrt(more) * (1 + 1e-9)
        ),
        None,
    )


def holm(chances: Sequence[float]) -> list[float]:
    """The risk that each of many p-values is held to, so that with at most `RISK` even one stands
    (is at most its risk) by chance.

    The k-th smallest of m is held to RISK / (m - k + 1), and the first that fails takes the larger
    ones with it. A bound with that risk says the same as the test. Source: Holm, "A simple
    sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6 (1979).
    """
    risks = [RISK] * len(chances)
    stand = 0
    for index in sorted(range(len(chances)), key=chances.__getitem__):
        risks[index] = RISK / (len(chances) - stand)
        stand += chances[index] <= risks[index]
    return risks


def bounds_among(
    estimates: Sequence[Estimate], margins: Sequence[float]
) -> list[tuple[float, float]]:
    """Lower and upper bound of the relative change of each of many cases, so that the chance that
    even one is called `more` by mistake is `RISK`, and so for `less` and for "not more"."""
    limits = [math.log1p(margin) for margin in margins]
    pairs = list(zip(estimates, limits, strict=True))
    above = holm([found.chance_above(limit) for found, limit in pairs])
    below = holm([found.chance_below(0.0) for found in estimates])
    within = holm([found.chance_below(limit) for found, limit in pairs])
    return list(map(bounds_at, estimates, above, below, within))


def bounds_at(
    found: Estimate, above: float = RISK, below: float = RISK, within: float = RISK
) -> tuple[float, float]:
    """Lower and upper bound of the relative change of one case.

    What is not shown to be below no change may still be shown to be within its margin, at a risk
    of its own: its upper bound then ends at no change.

    Args:
        above, below, within: the risk of calling it `more`, `less` or "not more" by mistake.
    """
    upper = found.log_ratio + found.reach(below)
    if upper >= 0:
        upper = max(0.0, found.log_ratio + found.reach(within))
    return relative(found.log_ratio - found.reach(above)), relative(upper)


def relative(log_ratio: float) -> float:
    """Relative change of a log ratio (0.02 is +2 %), kept finite for any ratio of figures."""
    return math.expm1(min(log_ratio, 700.0))


def paired_by_seed(
    our_seeds: Sequence[int | None],
    ours: Sequence[float],
    their_seeds: Sequence[int | None],
    theirs: Sequence[float],
) -> list[tuple[float, float]]:
    """Ours and theirs of each pair of rounds: by their seeds where they have some, else in their
    order where there are as many of each. Empty where rounds are no pairs.

    Rounds of one seed beside those of another are one sample, their mean, as energies are.
    """
    first, second = _by_seed(our_seeds, ours), _by_seed(their_seeds, theirs)
    if first and second and len({*first, *second}) > 1:
        return [(first[seed], second[seed]) for seed in first if seed in second]
    return list(zip(ours, theirs, strict=True)) if len(ours) == len(theirs) else []


def _by_seed(seeds: Sequence[int | None], values: Sequence[float]) -> dict[int | None, float]:
    """The mean of each seed's rounds; empty unless each round has a seed."""
    found: dict[int | None, list[float]] = {}
    for seed, value in zip(seeds, values, strict=False):
        found.setdefault(seed, []).append(value)
    if len(seeds) != len(values) or None in found:
        return {}
    return {seed: fmean(each) for seed, each in found.items()}


def make_no_pairs(
    pairs: Sequence[tuple[float, float]], ours: Sequence[float], theirs: Sequence[float]
) -> bool:
    """Whether both have several rounds and fewer than two pairs: then a rule for one round would
    judge what nobody has compared."""
    return len(pairs) < 2 <= min(len(ours), len(theirs))
