"""Ray clusters in this machine, and runs on them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from tests.processes import hear_signals

STORE = 80 * 2**20


def hosts(path: str) -> dict[str, str]:
    """Name of each case -> its host."""
    return {case["name"]: case["host"] for case in json.loads(Path(path).read_text())["cases"]}


@contextmanager
def cluster_of(*nodes: dict[str, Any]) -> Iterator[Any]:
    from ray.cluster_utils import Cluster

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_worker_niceness", "0")
    found = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 0, "object_store_memory": STORE, "include_dashboard": False},
    )
    try:
        for node in nodes:
            found.add_node(
                num_cpus=2, object_store_memory=STORE, resources={"energy_host": 1}, **node
            )
        found.wait_for_nodes()
        yield found
    finally:
        found.shutdown()


def waiting_child() -> psutil.Process:
    """The process of group D, once it waits for its death."""
    waited_for(lambda: Path("pid").exists())
    return psutil.Process(int(Path("pid").read_text()))


def ended(process: psutil.Process) -> bool:
    """Whether it runs no more, though perhaps nobody has asked for its status yet."""
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def waited_for(condition: Callable[[], object], limit_s: float = 240) -> None:
    """Return when the condition holds."""
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


@contextmanager
def started(*args: str) -> Iterator[subprocess.Popen[str]]:
    """A pytest of its own process group, as a shell starts it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=0,
        preexec_fn=hear_signals,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
