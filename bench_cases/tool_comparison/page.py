"""Write docs/peers.md from a run's JSON.

python -m bench_cases.tool_comparison.page [reports/peers.json [docs/peers.md]]
"""

from __future__ import annotations

import sys
from pathlib import Path

from bench_cases.tool_comparison.table import Table, cells, failures

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "reports" / "peers.json"
TARGET = ROOT / "docs" / "peers.md"

FULL_S = 20.0
"""Seconds of a load in a run whose figures are worth publishing."""

PAGE = """\
# Side by side with other tools

<!-- not run: installs seven environments and measures for minutes -->
```sh
pytest bench_cases/test_peers.py -m peers
python -m bench_cases.tool_comparison.page
```

The first command installs each tool into an environment of its own, measures in fresh processes and
writes `reports/peers.json`; the second makes this page of it. Every figure is of that one run:
{created}, {cpu}, {cores} logical CPUs, {python}; load average {busy_cores:.1f} at its
beginning.
{trial}
{table}

A dash: the tool doesn't do this. *fails*: it does, and could not here, in its own words:

{failures}

## What they have and we don't

From their code, at the versions above. A dash: not there. We have none of these.

|  | codecarbon | zeus | pyJoules | carbontracker | pytest-codecarbon | pytest-benchmark |
| --- | --- | --- | --- | --- | --- | --- |
| a dashboard | yes, also hosted | – | – | – | – | – |
| price of electricity | – | yes | – | – | – | – |
| forecast of a training from its first epochs | – | – | – | yes | – | – |
| settings of the hardware that use less | – | power limit, clocks, batch size | – | – | – | – |
| a daemon that reads counters for others | – | `zeusd` | – | – | – | – |
| the whole machine, until it is stopped | `codecarbon monitor` | `zeus.monitor` | – | – | – | – |
| AMD GPUs and Apple silicon unasked | yes | yes, and Jetson | – | Apple | as codecarbon | – |
| figures to Prometheus as it runs | yes | yes | – | – | – | – |
| rows to pandas or MongoDB | – | – | yes | – | – | – |
| statistics of each of many short calls | – | – | – | – | – | yes |

[Coming from CodeCarbon](coming-from/codecarbon.md) and
[from pytest-benchmark](coming-from/pytest-benchmark.md) have their options beside ours.

## How to read it

- *On counters*: every tool reads the same made tree of RAPL counters, two packages with dram, so
  that what differs is the tool. *On this machine*: what it finds here by itself.
- *Import + first window*: what the first use costs, in a Python that has started.
- *Added to a start of pytest*: CPU time of `pytest --collect-only` of one test with the plugin,
  less the same without, in pairs; below zero is noise.
- *Joules* are what a tool reports, not the truth: if there is no counter, each has a model of
  its own. Ours counts the CPU time of the test's own processes, so that an idle test costs its
  memory only; a tool that stands for the whole machine has to say more. Nothing here tells which
  model is nearer to a wall socket.
- *Error on a known trace*: counters go on by joules that are known, and only what a tool reads
  from them is held against it, not what it estimates beside. CodeCarbon leaves out dram that
  lies inside a package's zone, by design; carbontracker samples power every other second and takes
  the mean over the counters if there are several. In the last row each counter wraps once.
- The plugins' size includes pytest.

## What others have

Beyond figures, from the tools' documentation; of TensorRT-LLM from its pull request 11397. Eco-CI
and EnergiBridge are not in the table of figures because they can't read the made tree of counters:
one estimates a CI job from the processor's load, the other reads on Linux its registers (MSR).

| for | here | others | what they have, and this has not |
| --- | --- | --- | --- |
| any command | [`energybench run`](how-to/meter-any-command.md) | hyperfine, perf stat, Eco-CI | \
hyperfine: time less that of the shell's own start, warnings of outliers, shell completion. \
perf stat: instructions, cache misses and other events beside energy. Eco-CI: a CI job's steps \
without a wrapper around each. None of them has a gate that knows when it can't decide. |
| a steady machine | [flags and rests](how-to/steady-the-machine.md) | Zeus, perf stat | \
Zeus: sets GPU clocks and power limits, searches for those that cost least, and finds out how long \
to measure and to rest; this only looks. \
perf stat: `-r N` with a spread, and no rest between runs. |
| pull requests | [an action and a comment](how-to/comment-on-pull-requests.md) | CodSpeed, \
Bencher, github-action-benchmark, Eco-CI | CodSpeed: an increase is acknowledged by itself, where \
here a label accepts all of a pull request. CodSpeed, Bencher, Eco-CI: a service that keeps \
histories and serves the badge. github-action-benchmark: charts on GitHub Pages. |
| emissions | [by region, or now](how-to/estimate-emissions.md) | codecarbon, Eco-CI | codecarbon: \
finds the region by itself, and has a dashboard. Both: the intensity now for a token, without a \
hook. |
| functional units | [joules per token, image, request](how-to/energy-per-token.md) | Zeus, \
TensorRT-LLM | Zeus: a window waits for JAX's work on a GPU, too; its joules are divided by hand. \
TensorRT-LLM: `trtllm-bench` counts the tokens itself, and has the GPU's joules, watts, and output \
tokens per second and watt. |
| other tools | [seven formats, and a hook](how-to/export-to-other-tools.md) | codecarbon | \
codecarbon: sends to Prometheus, Logfire, an address of the web or its own service without a hook. |
| a history | [a file, trends, a search](how-to/watch-energy-over-time.md) | asv, Bencher | asv: \
runs a range of commits in environments that it makes, and publishes charts of them as a site. \
Bencher: a service that keeps histories by branch and testbed, draws them, and tells alerts. |
"""

TRIAL = """
**A trial with loads of {seconds:g} s instead of {full:g} s, maybe not all rows: not to be cited.**
"""


def page(table: Table) -> str:
    """The page in Markdown."""
    header, *body = cells(table)
    rows = [header, ["---", "---", *["---:"] * (len(header) - 2)], *body]
    rows.append(["version", "", "", *table.versions.values()])
    found = failures(table).items()
    told = [f"- {tool}: `{error}` ({'; '.join(rows)})" for (tool, error), rows in found]
    return PAGE.format(
        created=table.created,
        cpu=table.cpu,
        cores=table.cores,
        python=table.python,
        busy_cores=table.busy_cores,
        trial=TRIAL.format(seconds=table.seconds, full=FULL_S) if table.seconds < FULL_S else "",
        table="\n".join(f"| {' | '.join(row)} |" for row in rows),
        failures="\n".join(told) or "- none",
    )


def main(source: Path = SOURCE, target: Path = TARGET) -> None:
    """Write the page."""
    target.write_text(page(Table.read(source)), "utf-8")
    print(f"written: {target}")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
