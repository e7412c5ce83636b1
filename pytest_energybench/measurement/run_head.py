"""What a run's figures are figures of, for the run file: commit, machine, meters, settings."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Mapping
from pathlib import Path

from pytest_energybench import __version__
from pytest_energybench.metering.clock import SYSTEM_CLOCK
from pytest_energybench.metering.cpu_power import told_power
from pytest_energybench.metering.limits import allowed_cpus, cpu_quota
from pytest_energybench.metering.machine import MachineFacts, machine_facts
from pytest_energybench.metering.meter import Meter
from pytest_energybench.results.git import read_commit
from pytest_energybench.results.model import Machine, MeterInfo, Run, Scalar
from pytest_energybench.results.redaction import without_private
from pytest_energybench.results.storable import storable_head

GIB = 2**30


def run_head(
    meter: Meter,
    settings: Mapping[str, Scalar],
    *,
    folder: Path,
    storage: Path | None = None,
    hostname: str | None = None,
) -> Run:
    """The run without its cases and shard.

    Args:
        settings: the user's, beside those of the machine, which stand before them.
        folder: the commit is that of the repository it lies in.
        storage: see `read_commit`.
        hostname: only where the user asked for it.
    """
    commit = read_commit(folder, storage)
    left_out = meter.left_out()
    limits = {"allowed_cpus": allowed_cpus(), "cpu_quota": cpu_quota()}
    created = datetime.datetime.fromtimestamp(SYSTEM_CLOCK.wall(), datetime.UTC)
    head = Run(
        created=created.isoformat(timespec="seconds"),
        commits=[commit] if commit is not None else [],
        machine=machine_record(machine_facts(meter.gpu_names), hostname=hostname),
        meters=meter_records(meter),
        settings={
            "version": __version__,
            **{name: limit for name, limit in limits.items() if limit is not None},
            **told_power(),
            **(meter.watch.facts() if meter.watch is not None else {}),
            **settings,
            **({"without": ",".join(left_out)} if left_out else {}),
        },
        errors=[
            str(problem)
            for problem in meter.problems
            if not getattr(problem, "absent", False)  # `doctor` tells what else there could be
        ],
    )
    return without_private(storable_head(head))


def machine_record(facts: MachineFacts, *, hostname: str | None = None) -> Machine:
    """The machine, without its name unless one is given; never with a user's.

    The fingerprint leaves out what an update changes (kernel, Python) and the last few megabytes
    of memory, which differ from boot to boot.
    """
    hardware = (facts.cpu, facts.cores, round(facts.memory_bytes / GIB), *facts.gpus)
    return Machine(
        fingerprint=hashlib.sha256(repr(hardware).encode()).hexdigest()[:12],
        cpu=facts.cpu,
        cores=facts.cores,
        memory_bytes=facts.memory_bytes,
        gpus=list(facts.gpus),
        os=facts.os,
        python=facts.python,
        libraries=dict(facts.libraries),
        hostname=hostname,
    )


def meter_records(meter: Meter) -> list[MeterInfo]:
    """Every domain of the meter with its source, provenance and what it can be trusted for; without
    those that can't be read and may be missing."""
    without = meter.left_out()
    return [
        MeterInfo(
            domain=domain.name,
            source=domain.source,
            provenance=domain.provenance,
            resolution=domain.resolution_j,
            error=domain.error,
            period_s=domain.period_s,
            note=domain.note,
            estimate_version=domain.estimate_version,
            idle_w=domain.idle_w,
        )
        for domain in meter.domains
        if domain.name not in without
    ]
