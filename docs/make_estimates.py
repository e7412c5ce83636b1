"""Derive the watts in `metering/cpu_rows.py`, and hold the model against counters.

    python docs/make_estimates.py DATA            # print the table and the checks
    python docs/make_estimates.py DATA --write    # and write the table, the page's figures and plot

DATA is a folder with two files of SPECpower_ssj2008 results (`specpower-2026-03-09.csv`: idle and
full load; `specpower-load-levels-2022.csv`: eleven loads) and a folder `rapl_by_load` of RAPL watts
against load. `docs/estimates.md` names their sources. None of them is part of this project.
"""

from __future__ import annotations

import argparse
import math
import re
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

from power_data import HAND, SHEETS, SPEC, Checked, Curve, Server, curves, levels, servers

from pytest_energybench.metering.cpu_power import TDP_SHARE
from pytest_energybench.metering.cpu_rows import IDLE_THREADS_POWER

HERE = Path(__file__).parent
TABLE = HERE.parent / "pytest_energybench/metering/cpu_rows.py"

DYNAMIC_SHARE = 0.85
"""Of what a server draws above idle at the wall, the part that its processors draw: supply and
voltage regulators lose some 12 % on the way, and fans and memory take a little."""
THREADS_POWER = {"xeon": 0.5, "epyc": 0.5, "client": 0.25}
"""A chip's watts above idle go by this power of its threads, by its kind. Within the generations of
SPEC's results the exponent is 0.49 for servers: more threads share one power limit at lower clocks.
It is 0.1 for desktops, of which most have the same four cores with one thread each or two; 0.25
fits best with 1,281 design powers of desktops and laptops."""


class Row(NamedTuple):
    """A row of the table."""

    key: str
    title: str
    threads: int
    watts: tuple[float, float, float, float]
    memory: str
    machines: int
    source: str
    threads_power: float


LOADS = (0.0, 0.1, 0.5, 1.0)


def interpolate(xs: Sequence[float], ys: Sequence[float], x: float) -> float:
    for left, right, low, high in zip(xs, xs[1:], ys, ys[1:], strict=False):
        if x <= right:
            return low + (high - low) * (x - left) / (right - left)
    return ys[-1]


def shape(kind: str, results: Sequence[Server], measured: Sequence[Curve]) -> tuple[float, float]:
    """Watts above idle at a tenth and at half of the load, as parts of those at full load: the mean
    of SPEC's servers, which are tuned for these loads, and of machines as they are (RAPL); of
    desktops these alone, as SPEC's are tuned down to below a straight line."""
    spec = [
        [(each.levels[i] - each.idle_w) / (each.full_w - each.idle_w) for i in (1, 5)]
        for each in results
        if each.spec.kind == kind != "client"
    ]
    alike = [each for each in measured if each.machine.kind == kind]
    if kind == "client":
        alike = alike or list(measured)
    rapl = []
    for curve in alike:
        loads, watts = zip(*curve.points, strict=True)
        at = [interpolate(loads, watts, load) for load in (0.1, 0.5)]
        rapl.append([(each - watts[0]) / (watts[-1] - watts[0]) for each in at])
    means = []
    for place in (0, 1):
        parts = [statistics.median(each[place] for each in spec)] if spec else []
        parts += [statistics.fmean(each[place] for each in rapl)] if rapl else []
        means.append(statistics.fmean(parts))
    return means[0], means[1]


def idle_share(results: Sequence[Server], measured: Sequence[Curve]) -> float:
    """Of what an idle server draws at the wall, the part of its processors: the mean over the
    machines with RAPL whose generation has results of SPEC."""
    shares = []
    for curve in measured:
        machine = curve.machine
        own = [each for each in results if each.spec.key == machine.row]
        if own:
            wall_w, _ = chip(own, round(curve.threads / machine.chips))
            shares.append(curve.points[0][1] / machine.chips / wall_w)
    return statistics.fmean(shares)


def rows(
    results: Sequence[Server], by_load: Sequence[Server], measured: Sequence[Curve]
) -> Iterator[Row]:
    """The table, derived."""
    shapes = {kind: shape(kind, by_load, measured) for kind in ("xeon", "epyc", "client")}
    share = idle_share(results, measured)
    for spec in SPEC:
        own = [each for each in results if each.spec is spec]
        threads = round(statistics.median(each.threads for each in own))
        idle, dynamic = chip(own, threads)
        yield Row(
            spec.key,
            spec.title,
            threads,
            per_thread(share * idle, dynamic, threads, shapes[spec.kind]),
            spec.memory,
            len(own),
            "SPECpower_ssj2008",
            THREADS_POWER[spec.kind],
        )
    for hand in HAND:
        watts = per_thread(hand.idle_w, hand.full_w - hand.idle_w, hand.threads, shapes[hand.kind])
        power = THREADS_POWER[hand.kind]
        yield Row(hand.key, hand.title, hand.threads, watts, hand.memory, 0, hand.source, power)


def chip(own: Sequence[Server], threads: int) -> tuple[float, float]:
    """Of a server's chip of so many threads: its part of the wall's watts while idle, and its own
    watts above idle with all of them busy."""
    power = THREADS_POWER[own[0].spec.kind]
    ratios = [threads / each.threads for each in own]
    idle = statistics.median(
        ratio**IDLE_THREADS_POWER * each.idle_w / each.chips
        for ratio, each in zip(ratios, own, strict=True)
    )
    dynamic = statistics.median(
        ratio**power * (each.full_w - each.idle_w) / each.chips
        for ratio, each in zip(ratios, own, strict=True)
    )
    return idle, DYNAMIC_SHARE * dynamic


def per_thread(
    idle: float, dynamic: float, threads: int, shape: tuple[float, float]
) -> tuple[float, float, float, float]:
    at = [idle, idle + shape[0] * dynamic, idle + shape[1] * dynamic, idle + dynamic]
    a, b, c, d = (float(f"{watts / threads:.3g}") for watts in at)
    return a, b, c, d


def model_w(row: Row, threads: int, chips: int, load: float) -> float:
    """Watts of the model for a whole machine, as `metering/cpu_power.py` has them."""
    ratio, own = threads / chips / row.threads, row.threads * chips
    above_w = interpolate(LOADS, row.watts, load) - row.watts[0]
    return own * (ratio**IDLE_THREADS_POWER * row.watts[0] + ratio**row.threads_power * above_w)


def spec_residuals(
    results: Sequence[Server],
    by_load: Sequence[Server],
    table: dict[str, Row],
    share: float,
    whole: bool,
) -> list[float]:
    """true / model of SPEC's servers, idle and at their ten loads, each predicted from the others;
    without its whole generation, from all others of its kind, where `whole`.

    True is here what its own wall gives with the stated shares.
    """
    found = []
    for server in by_load:
        spec, threads = server.spec, round(server.threads)
        own = [
            each
            for each in results
            if (
                each.spec.kind == spec.kind and each.spec is not spec
                if whole
                else each.spec is spec
            )
            and (each.name, each.full_w) != (server.name, server.full_w)
        ]
        if len(own) < 3 or spec.key not in table:
            continue
        idle, dynamic = chip(own, threads)
        row = table[spec.key]
        parts = [(w - row.watts[0]) / (row.watts[3] - row.watts[0]) for w in row.watts]
        watts = [share * idle + part * dynamic for part in parts]
        for place in range(11):
            wall = DYNAMIC_SHARE * (server.levels[place] - server.idle_w)
            true = (share * server.idle_w + wall) / server.chips
            found.append(true / interpolate(LOADS, watts, place / 10))
    return found


def rapl_residuals(
    results: Sequence[Server], by_load: Sequence[Server], measured: Sequence[Curve]
) -> dict[tuple[str, str], list[float]]:
    """(machine, spread) -> counter / model at each load, from a table made without that machine."""
    found = {}
    for curve in measured:
        others = [each for each in measured if each.name != curve.name]
        table = {row.key: row for row in rows(results, by_load, others)}
        row, chips = table[curve.machine.row], curve.machine.chips
        found[curve.name, curve.spread] = [
            watts / model_w(row, curve.threads, chips, load) for load, watts in curve.points
        ]
    return found


def told_residuals(
    results: Sequence[Server], by_load: Sequence[Server], measured: Sequence[Curve]
) -> tuple[list[float], list[float]]:
    """counter / model where the design power is told, with a table made without that machine; and
    where its own curve is, as loads thread by thread show it: at loads that are spread."""
    of_tdp, of_watts = [], []
    for curve in measured:
        others = [each for each in measured if each.name != curve.name]
        row = {row.key: row for row in rows(results, by_load, others)}[curve.machine.row]
        machine = curve.machine
        ours = [model_w(row, curve.threads, machine.chips, at) for at in LOADS]
        factor = TDP_SHARE * machine.tdp_w / ours[3]
        of_tdp += [w / factor / interpolate(LOADS, ours, at) for at, w in curve.points]
        for own in measured:
            if (own.name, own.spread, curve.spread) == (curve.name, "some_cores", "all_cores"):
                loads, shown = zip(*own.points, strict=True)
                told = list(accumulate((interpolate(loads, shown, at) for at in LOADS), max))
                of_watts += [w / interpolate(LOADS, told, at) for at, w in curve.points]
    return of_tdp, of_watts


def covering(ratios: Iterable[float], share: float = 0.9) -> float:
    """The smallest e for which so many true figures lie within 1 - e and 1 + e of the model's."""
    off = sorted(abs(each - 1) for each in ratios)
    return off[math.ceil(share * len(off)) - 1]


HOST_LOADS = tuple(load / 100 for load in range(10, 91, 5))
"""What the host of a virtual machine may be at, which nobody inside can see."""


def host_factors(row: Row) -> list[float]:
    """Watts of a busy thread on a host at each of these loads, against one that is half busy."""

    def busy_w(load: float) -> float:
        return (interpolate(LOADS, row.watts, load) - row.watts[0]) / load

    return [busy_w(load) / busy_w(0.5) for load in HOST_LOADS]


def table_text(table: Sequence[Row], errors: Mapping[str, float], host_error: float) -> str:
    """The module with the table of rows, and the error of a part of a host."""
    kinds = {each.key: each.kind for each in SPEC}
    lines = []
    for row in table:
        source = row.machines or ("sheets" if row.source == SHEETS else row.source)
        error = errors[kinds[row.key]] if row.machines else SHEET_ERROR
        watts = " ".join(map(str, row.watts))
        cells = (
            row.key,
            row.title,
            row.threads,
            watts,
            row.memory,
            row.threads_power,
            error,
            source,
        )
        lines.append("; ".join(map(str, cells)))
    before, _, rest = TABLE.read_text("utf-8").partition('_TABLE = """\n')
    _, end, after = rest.partition('\n"""\n')
    before = re.sub(r"(?m)(?<=^HOST_ERROR = ).*", str(host_error), before)
    return before + '_TABLE = """\n' + "\n".join(lines) + end + after


ERRORS: dict[str, float] = {}
"""Of each kind of curve, once it is known."""
SHEET_ERROR = 0.8
"""For rows without results of SPEC: makers' limits and figures of whole machines tell half and
double apart."""


OTHERS: Mapping[str, Callable[[Checked, float], float]] = {
    "TDP × load (Green Algorithms)": lambda machine, load: machine.tdp_w * load,
    "TDP curve (Boavizta, Teads)": lambda machine, load: (
        machine.tdp_w * interpolate(LOADS, (0.12, 0.32, 0.75, 1.02), load)
    ),
}
"""What other tools say of a machine of known design power at a load, in watts."""


def compare(measured: Sequence[Curve], table: Mapping[str, Row]) -> Iterator[str]:
    """Lines of a table: median error over the loads of each curve, ours with the table as it is."""
    head = ["machine", "load", "ours", "within the stated error", *OTHERS]
    head += ["one thread or all, RAPL", "ours"]
    yield f"| {' | '.join(head)} |"
    yield "|---" * len(head) + "|"
    for curve in measured:
        machine, row = curve.machine, table[curve.machine.row]
        ours = [model_w(row, curve.threads, machine.chips, load) for load, _ in curve.points]
        watts = [watts for _, watts in curve.points]
        error = SHEET_ERROR if not row.machines else ERRORS[machine.kind]
        inside = sum(abs(w - o) <= error * o for w, o in zip(watts, ours, strict=True))
        medians = [
            statistics.median(abs(tool(machine, load) / w - 1) for load, w in curve.points)
            for tool in OTHERS.values()
        ]
        own = statistics.median(abs(o / w - 1) for w, o in zip(watts, ours, strict=True))
        cells = [f"{own:.0%}", f"{inside} of {len(watts)}", *(f"{each:.0%}" for each in medians)]
        few, (all_, last_w) = curve.points[1], curve.points[-1]
        model = (model_w(row, curve.threads, machine.chips, load) for load in (few[0], all_))
        for few_w, all_w in (few[1], last_w), tuple(model):
            cells.append(f"{few_w / few[0] / (all_w / all_):.1f}")
        name = re.sub(r"\(R\)|\(TM\)| CPU| Processor|@.*", "", curve.name).strip()
        spread = "spread" if curve.spread == "all_cores" else "thread by thread"
        yield f"| {name} | {spread} | " + " | ".join(cells).replace("%", " %") + " |"


def draw(measured: Sequence[Curve], table: Mapping[str, Row], target: Path) -> None:
    """Estimate with its error and counter, by load."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "energybench", "font.size": 9})
    from matplotlib import pyplot

    names = list(dict.fromkeys(curve.name for curve in measured))
    figure, axes = pyplot.subplots(1, len(names), figsize=(3.1 * len(names), 3.0))
    loads = [load / 50 for load in range(51)]
    for name, ax in zip(names, axes, strict=True):
        for curve in (each for each in measured if each.name == name):
            is_spread = curve.spread == "all_cores"
            label = "RAPL, spread" if is_spread else "RAPL, thread by thread"
            ax.plot(*zip(*curve.points, strict=True), "o" if is_spread else "x", label=label)
        row, machine = table[curve.machine.row], curve.machine
        error = SHEET_ERROR if not row.machines else ERRORS[machine.kind]
        watts = [model_w(row, curve.threads, machine.chips, load) for load in loads]
        low, high = ([w * (1 + sign * error) for w in watts] for sign in (-1, 1))
        ax.fill_between(loads, low, high, alpha=0.15, color="black", linewidth=0)
        ax.plot(loads, watts, "-", color="black", label="estimate")
        ax.set(
            title=re.sub(
                r"AMD |Intel|\(R\)|\(TM\)| CPU| Processor|@.*|Ryzen |[0-9]+-Core", "", name
            )
        )
        ax.set(xlabel="load", ylim=(0, None), xlim=(0, 1))
    axes[0].set(ylabel="watts of all packages")
    axes[0].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(target, metadata={"Date": None})


def up(share: float) -> float:
    """Rounded up to a twentieth."""
    return math.ceil(share * 20 - 1e-9) / 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="the folder")
    parser.add_argument("--write", action="store_true", help="write the table")
    options = parser.parse_args()
    results, by_load = servers(options.data), levels(options.data)
    measured = curves(options.data)
    table = list(rows(results, by_load, measured))
    by_key = {row.key: row for row in table}
    share = idle_share(results, measured)
    print(f"of the wall's idle power: {share:.2f}")
    of_rapl = rapl_residuals(results, by_load, measured)
    for (name, spread), ratios in of_rapl.items():
        off = statistics.median(abs(1 / each - 1) for each in ratios)
        print(f"{name}, {spread}, left out: median {off:.0%}, 90 % within {covering(ratios):.0%}")
    errors = {}
    for kinds in (("xeon", "epyc"), ("client",)):
        server = [each for each in by_load if each.spec.kind in kinds]
        spec = spec_residuals(results, server, by_key, share, whole=False)
        whole = spec_residuals(results, server, by_key, share, whole=True)
        rapl = [
            ratio
            for curve in measured
            if curve.machine.kind in kinds
            for ratio in of_rapl[curve.name, curve.spread]
        ]
        both = [a * b for a in spec[::7] for b in rapl] or spec
        errors.update(dict.fromkeys(kinds, up(covering(both))))
        print(
            f"{kinds}: {len(spec)} loads of SPEC's servers, each left out: 90 % within"
            f" {covering(spec):.0%}, its generation left out: {covering(whole):.0%};"
            f" with RAPL's {len(rapl)}: {covering(both):.1%}"
        )
        if "epyc" in kinds:
            hosts = [a * b for a in host_factors(by_key["milan"]) for b in both[::13]]
            print(f"  on a host of unknown load (EPYC 7003): 90 % within {covering(hosts):.1%}")
    of_tdp, of_watts = told_residuals(results, by_load, measured)
    print(
        f"design power told: 90 % within {covering(of_tdp):.1%}; its own curve told:"
        f" {covering(of_watts):.1%} of {len(of_watts)} loads"
    )
    ERRORS.update(errors)
    print(*compare(measured, by_key), sep="\n")
    if options.write:
        draw(measured, by_key, HERE / "estimates.svg")
        TABLE.write_text(table_text(table, errors, up(covering(hosts))), "utf-8")


if __name__ == "__main__":
    main()
