"""Where a run's figures come from, as the run file says it: machine and meters."""

from __future__ import annotations

import hashlib

from pytest_energybench.metering.machine import MachineFacts
from pytest_energybench.metering.meter import Meter
from pytest_energybench.results.model import Machine, MeterInfo

GIB = 2**30


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
        hostname=hostname,
    )


def meter_records(meter: Meter) -> list[MeterInfo]:
    """Every domain of the meter with its source, provenance and what it can be trusted for."""
    return [
        MeterInfo(
            domain=domain.name,
            source=domain.source,
            provenance=domain.provenance,
            resolution=domain.resolution_j,
            error=domain.error,
            period_s=domain.period_s,
            note=domain.note,
        )
        for domain in meter.domains
    ]
