"""For all tests of this repository: pytester, workers, and the options of `bench_cases`.

The options stand here and not beside the cases, so that they exist wherever pytest starts.
"""

from __future__ import annotations

import compileall
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

TESTS = Path(__file__).parent / "tests"


def pytest_configure(config: pytest.Config) -> None:
    """Compile the package, once for all the processes that tests start: where Python is told to
    write no bytecode, each of them would compile it anew, for half of its time."""
    if not hasattr(config, "workerinput"):
        compileall.compile_dir(TESTS.with_name("pytest_energybench"), quiet=2)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """How many workers `-n auto` of `pyproject.toml` means: as many as cores where folders of
    `tests/` are run, and none for anything else.

    What runs beside a metered case is in its figures, so `bench_cases` and examples run alone.
    A single file is one unit of work, and done sooner than a second worker has loaded torch.
    """
    paths = [config.invocation_params.dir / arg.partition("::")[0] for arg in config.args]
    if all(path.is_dir() and path.resolve().is_relative_to(TESTS) for path in paths):
        return None  # xdist counts the cores, or reads PYTEST_XDIST_AUTO_NUM_WORKERS
    return 0


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("bench", "the paper's cases (bench_cases)")
    group.addoption(
        "--bench-preset",
        metavar="NAME",
        help="size of the experiment: quick (default on a CPU), standard (default with a GPU) or "
        "paper (ImageNet-1K at 224/299 px, needs --bench-data)",
    )
    group.addoption(
        "--bench-methods",
        metavar="LIST",
        default="paper",
        help="names and lists separated by commas: paper (default: baseline, amp, steganographic, "
        "pruning, lowrank), controls (amp, autocast), beyond (what the "
        "paper doesn't have), all; a+b is both together, and "
        "the baseline always runs",
    )
    group.addoption(
        "--bench-data",
        metavar="SOURCE",
        help="mnist (default), digits, imagefolder:PATH, cifar10:PATH or imagenet:PATH; of "
        "language models topics (default: text that comes with Python) or text:PATH",
    )
    group.addoption(
        "--bench-weights",
        metavar="KIND",
        help="starting weights: warm (default; trained once and cached), imagenet (torchvision's; "
        "default of the paper preset), or a folder with <model>.pt state dicts; of language "
        "models a folder in the layout of transformers",
    )
    group.addoption(
        "--bench-device",
        metavar="DEVICE",
        default="auto",
        help="auto (default: the first GPU, else the CPU), cpu, cuda or cuda:N",
    )
    group.addoption(
        "--bench-max-drop",
        metavar="FRACTION",
        default="0.01",
        help="accuracy that a method may lose against its baseline (default 0.01, one point)",
    )
    group.addoption(
        "--bench-search",
        metavar="KIND",
        default="bisection",
        help="bisection (default), exhaustive (the paper's scan), per-layer (its ranks' search)",
    )
    group.addoption(
        "--bench-lowrank-layers",
        metavar="SET",
        default="wide",
        help="layers that low rank may take: wide (default: convolutions but depthwise ones, and "
        "pointwise linear layers) or paper (all convolutions, depthwise ones included)",
    )
    group.addoption(
        "--bench-seed",
        metavar="N",
        default="0",
        help="seed of the first round's warm start, new heads and data order (default 0), one more "
        "in each further round; the split never moves",
    )
    group.addoption(
        "--bench-subset",
        metavar="K",
        help="of an imagefolder or imagenet only K images of each class in each split, always the "
        "same ones (default: all)",
    )
    group.addoption(
        "--bench-epochs",
        metavar="N",
        help="train so many epochs, whatever the loss does; the table of views says what each rule "
        "would have made of the same training (default: early stopping)",
    )
    group.addoption(
        "--peers-seconds",
        metavar="N",
        default="20",
        help="how long loads last in `bench_cases/test_peers.py` (default 20; less is a trial)",
    )
    group.addoption(
        "--peers-envs",
        metavar="DIR",
        help="where the environments of the peers are made, or found (default: the user's cache)",
    )
