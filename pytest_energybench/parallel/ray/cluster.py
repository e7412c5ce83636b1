"""Ray: the cluster, the tasks on it, and what comes back; nothing of pytest's session."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pytest_energybench.exceptions import EnergyBenchError
from pytest_energybench.parallel.ray.task import PATIENCE_S, TaskResult, TaskSpec, run_unit
from pytest_energybench.parallel.ray.work_units import Unit

HOST = "energy_host"
"""Resource of which each host has one; every task takes it, so that they meter one at a time."""

START_NODE = f"""RAY_worker_niceness=0 ray start ... --resources='{{"{HOST}": 1}}'"""
"""Ray's own niceness of 15 would let anything else on the host go before what is metered."""

RETRIES = 3
"""How often a unit whose host or Ray process was lost runs again; never for a failed test."""

CONNECT_S = 30.0
"""How long a cluster may take to answer."""

STRANDED_S = 60.0
"""How long a unit that no host can take (any more) waits for one that can."""

LOCAL_STORE_BYTES = 128 * 2**20
"""Object store of a Ray started here: only journals and reports go through it."""


class ClusterError(EnergyBenchError):
    """No cluster, or one that can't do it; the message is one line."""


@dataclass(frozen=True, slots=True)
class Began:
    """A unit runs on a host, named by Ray's id of the node."""

    unit: Unit
    host: str


@dataclass(frozen=True, slots=True)
class Ended:
    """A unit's result, and how many are still to come."""

    unit: Unit
    result: TaskResult
    left: int


class ProgressActor:
    """Where the units run; an actor, since Ray tells only when a task has ended."""

    def __init__(self) -> None:
        self._places: dict[int, str] = {}

    def began(self, number: int, host: str) -> None:
        """Unit `number` runs on `host` now."""
        self._places[number] = host

    def read(self) -> dict[int, str]:
        """Number of a unit -> where it began last."""
        return self._places


def connect(address: str) -> None:
    """Join the cluster, or start one here.

    Raises:
        ClusterError: there is none that answers within `CONNECT_S`, or none of its nodes is a
            host to meter on.
    """
    os.environ.setdefault("RAY_task_oom_retries", str(RETRIES))  # endless by default
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if address == "local":
        os.environ.setdefault("RAY_worker_niceness", "0")
    import ray

    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        if address == "local":
            ray.init(
                address="local",
                resources={HOST: 1},
                include_dashboard=False,
                object_store_memory=LOCAL_STORE_BYTES,
                **quiet,
            )
        else:
            _probe(address)
            ray.init(address=address, **quiet)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise ClusterError(_first_line(str(error)) or type(error).__name__) from None
    if not hosts():
        disconnect()
        raise ClusterError(
            f"none of its nodes has the resource {HOST}: start those to meter on with {START_NODE}"
        )


def disconnect() -> None:
    """Leave the cluster; one that was started here ends."""
    import ray

    ray.shutdown()


def _probe(address: str) -> None:
    """Connect in another process first: where no cluster answers, Ray ends the process it is in,
    after minutes."""
    host, _, port = address.rpartition(":")
    if host and port.isdecimal() and "/" not in host:
        try:
            socket.create_connection((host, int(port)), CONNECT_S).close()
        except (OSError, OverflowError, UnicodeError) as error:
            raise ClusterError(f"nobody answers there ({error})") from None
    script = "import sys, ray; ray.init(sys.argv[1], log_to_driver=False, logging_level='ERROR')"
    try:
        done = subprocess.run(
            [sys.executable, "-c", script, address],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=CONNECT_S,
        )
    except subprocess.TimeoutExpired:
        raise ClusterError(f"no Ray cluster answered within {CONNECT_S:.0f} s") from None
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if "Error: " in line]
        raise ClusterError(lines[-1].partition("Error: ")[2] if lines else "Ray can't be reached")


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "")


def hosts() -> list[dict[str, float]]:
    """Resources of every living node that is a host to meter on."""
    import ray

    return [
        node["Resources"]
        for node in ray.nodes()  # type: ignore[no-untyped-call]
        if node["Alive"] and node["Resources"].get(HOST, 0) >= 1
    ]


def fits(unit: Unit, there: Sequence[Mapping[str, float]]) -> bool:
    """Whether one of the hosts has all that the unit asks for."""
    return any(
        host.get("CPU", 0) >= unit.num_cpus and host.get("GPU", 0) >= unit.num_gpus
        for host in there
    )


def wish(unit: Unit) -> str:
    """What a unit asks for, in words."""
    return f"num_cpus={unit.num_cpus:g} and num_gpus={unit.num_gpus:g} beside {HOST}"


def run(units: Sequence[Unit], tasks: Sequence[TaskSpec]) -> Generator[Began | Ended]:
    """Run each unit's task on some host; an `Ended` for each, in the order they end.

    Ray repeats what was lost with its host. When this is closed early, what runs is ended.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
    progress = ray.remote(num_cpus=0)(ProgressActor).options(scheduling_strategy=here).remote()
    remote = ray.remote(run_unit)
    pending: dict[Any, int] = {}
    for number, (unit, task) in enumerate(zip(units, tasks, strict=True)):
        options = remote.options(
            name=unit.label,
            num_cpus=unit.num_cpus,
            num_gpus=unit.num_gpus,
            resources={HOST: 1},
            max_retries=RETRIES,
            retry_exceptions=False,
        )
        pending[options.remote(task, number, progress)] = number
    places: dict[int, str] = {}
    homeless: dict[Any, float] = {}
    try:
        while pending:
            ended, _ = ray.wait(list(pending), num_returns=1, timeout=1.0)
            for number, host in _news(progress, places).items():
                if number in pending.values():
                    yield Began(units[number], host)
            for task_id in ended:
                unit = units[pending.pop(task_id)]
                yield Ended(unit, _result(task_id), len(pending))
            for task_id in [] if ended else _stranded(pending, units, homeless):
                ray.cancel(task_id)
                unit = units[pending.pop(task_id)]
                problem = f"no host is left that has {wish(unit)}"
                yield Ended(unit, TaskResult("", problem=problem), len(pending))
    finally:
        _cancel(list(pending))


def _news(progress: Any, known: dict[int, str]) -> dict[int, str]:
    """Units that began somewhere since the last look; `known` is brought up to date."""
    import ray

    try:
        places: dict[int, str] = ray.get(progress.read.remote(), timeout=2.0)
    except ray.exceptions.RayError:
        return {}  # only progress is lost
    new = {number: host for number, host in places.items() if known.get(number) != host}
    known.update(new)
    return new


def _result(task_id: Any) -> TaskResult:
    import ray

    try:
        result: TaskResult = ray.get(task_id)
    except ray.exceptions.RayTaskError as error:
        return TaskResult("", problem=str(error).strip().splitlines()[-1])
    except ray.exceptions.RayError as error:
        lost = f"its host or Ray's process on it was lost, {RETRIES + 1} times in a row"
        return TaskResult("", problem=f"{lost} ({type(error).__name__})")
    return result


def _stranded(
    pending: Mapping[Any, int], units: Sequence[Unit], homeless: dict[Any, float]
) -> list[Any]:
    """Tasks that no living host could take for `STRANDED_S`; `homeless` says since when."""
    there, now = hosts(), time.monotonic()
    found = []
    for task_id, number in pending.items():
        if fits(units[number], there):
            homeless.pop(task_id, None)
        elif now - homeless.setdefault(task_id, now) > STRANDED_S:
            found.append(task_id)
    return found


def _cancel(task_ids: list[Any]) -> None:
    """End tasks and wait until their processes have ended, within limits.

    The last first: where one that runs makes room, Ray may begin a waiting one while that is being
    cancelled, and Ray 2.x can abort this process then ("task that was not pending").
    """
    import ray

    with suppress(ray.exceptions.RayError):
        for task_id in reversed(task_ids):
            ray.cancel(task_id)
        if task_ids:
            ray.wait(task_ids, num_returns=len(task_ids), timeout=PATIENCE_S + 5)
