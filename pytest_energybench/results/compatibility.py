"""Machine, meters and settings of a figure, and whether two figures may stand side by side."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from hashlib import blake2b

import msgspec
from msgspec.structs import replace

from pytest_energybench.results.model import Case, Host, Machine, MeterInfo, Run, Scalar

EMISSION_SETTINGS = frozenset(
    {"carbon_intensity", "carbon_intensity_source", "embodied_g_per_h", "water_l_per_kwh"}
)
"""Settings that reports derive emissions and water from."""

IRRELEVANT_SETTINGS = EMISSION_SETTINGS | {
    "allow_missing",
    "gpu_clock_mhz",
    "gpu_temperature_c",
    "pue",
    "rounds",
    "version",
}
"""Settings that don't change what a case's IT energy is an energy of; which domains are missing is
seen by the meters."""


def differences(
    here: Run, there: Run, *, ignore: Collection[str] = IRRELEVANT_SETTINGS
) -> list[str]:
    """What keeps the figures of two runs from being compared, a few words each; empty if nothing.

    Args:
        ignore: settings that may differ.
    """
    return [
        *_machines(here.machine, there.machine),
        *_meters(here.meters, there.meters),
        *_settings(here.settings, there.settings, ignore),
    ]


def likeness(head: Run, others: Sequence[object] = ()) -> str:
    """A short hash of all that `differences` looks at: equal where it finds none.

    Args:
        others: what else has to be the same.
    """
    settings = {
        name: value
        for name, value in sorted(head.settings.items())
        if value is not None and name not in IRRELEVANT_SETTINGS
    }
    whole = [head.machine.fingerprint, sorted(_by_domain(head.meters).items()), settings, *others]
    return blake2b(msgspec.json.encode(whole), digest_size=6).hexdigest()


def commits(here: Run, there: Run) -> list[str]:
    """Whether two runs are of different code; empty where that is not known."""
    ours, theirs = here.commit, there.commit
    if ours is None or theirs is None or ours.id == theirs.id:
        return []
    return [f"commit is {ours.id[:12]} here and {theirs.id[:12]} there"]


def _machines(here: Machine, there: Machine) -> Iterable[str]:
    if not here.cpu or not there.cpu:
        yield "the processor has no name here or there, so the machines can't be told apart"
    if here.fingerprint == there.fingerprint:
        return
    is_explained = False
    for field in ("cpu", "cores", "memory_bytes", "gpus", "os", "python"):
        ours, theirs = getattr(here, field), getattr(there, field)
        if ours != theirs:
            is_explained = True
            yield f"{field} is {_shown(ours)} here and {_shown(theirs)} there"
    if not is_explained:
        yield f"machine is {here.fingerprint} here and {there.fingerprint} there"


def _meters(here: Iterable[MeterInfo], there: Iterable[MeterInfo]) -> Iterable[str]:
    ours, theirs = _by_domain(here), _by_domain(there)
    absent = "not metered"
    for domain in sorted(ours.keys() | theirs.keys()):
        mine, its = ours.get(domain, absent), theirs.get(domain, absent)
        if mine != its:
            yield f"{domain} is {mine} here and {its} there"


def _by_domain(meters: Iterable[MeterInfo]) -> dict[str, str]:
    return {
        meter.domain: f"{meter.provenance} by {meter.source}"
        + (f", version {meter.estimate_version}" if meter.estimate_version is not None else "")
        for meter in meters
    }


def _settings(
    here: dict[str, Scalar], there: dict[str, Scalar], ignore: Collection[str]
) -> Iterable[str]:
    for name in sorted((here.keys() | there.keys()) - set(ignore)):
        ours, theirs = here.get(name), there.get(name)
        if ours != theirs:
            yield f"{name} is {_shown(ours)} here and {_shown(theirs)} there"


def _shown(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "not set" if value is None else str(value)


def host_of(run: Run, number: int) -> Host:
    """The one machine of a run as a host among others, counted from 1."""
    return Host(
        name=f"host {number}", machine=run.machine, meters=run.meters, settings=run.settings
    )


def hosts_of(run: Run) -> list[Host]:
    """The machines of a run, its only one as a host."""
    return run.hosts or [host_of(run, 1)]


def with_hosts(run: Run, hosts: Sequence[Host]) -> Run:
    """The run on these hosts; nothing changes where there are none."""
    if not hosts:
        return run
    first = hosts[0]
    return replace(
        run, machine=first.machine, meters=first.meters, settings=first.settings, hosts=list(hosts)
    )


def heads(run: Run) -> dict[str | None, Run]:
    """Name of a host -> the run as if all of it were that host's; None -> the run as it is."""
    return {None: run, **{host.name: with_hosts(run, [host]) for host in run.hosts}}


def numbered(runs: Sequence[Run]) -> tuple[list[Host], list[Case]]:
    """The hosts of several runs in one count, and all cases with the new names.

    A run that knows of no hosts is one of them.
    """
    hosts: list[Host] = []
    cases: list[Case] = []
    for run in runs:
        own = hosts_of(run)
        names = {host.name: f"host {len(hosts) + place}" for place, host in enumerate(own, start=1)}
        hosts += [replace(host, name=names[host.name]) for host in own]
        only = None if run.hosts else own[0].name
        cases += [replace(case, host=names.get(case.host or only or "")) for case in run.cases]
    return hosts, cases
