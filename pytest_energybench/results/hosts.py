"""A run whose cases ran on several machines: which of them a figure is a figure of."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pytest_energybench.results.model import Case, Host, Run


def host_of(run: Run, number: int) -> Host:
    """The one machine of a run as a host among others, counted from 1."""
    return Host(
        name=f"host {number}", machine=run.machine, meters=run.meters, settings=run.settings
    )


def with_hosts(run: Run, hosts: Sequence[Host]) -> Run:
    """The run on these hosts; nothing changes where there are none."""
    if not hosts:
        return run
    first = hosts[0]
    return msgspec.structs.replace(
        run,
        machine=first.machine,
        meters=first.meters,
        settings=first.settings,
        hosts=list(hosts),
    )


def heads(run: Run) -> dict[str | None, Run]:
    """Name of a host -> the run as if all of it were that host's; None -> the run as it is."""
    return {
        None: run,
        **{host.name: with_hosts(run, [host]) for host in run.hosts},
    }


def numbered(runs: Sequence[Run]) -> tuple[list[Host], list[Case]]:
    """The hosts of several runs in one count, and all cases with the new names.

    A run that knows of no hosts is one of them.
    """
    hosts: list[Host] = []
    cases: list[Case] = []
    for run in runs:
        own = run.hosts or [host_of(run, 1)]
        names = {host.name: f"host {len(hosts) + place}" for place, host in enumerate(own, start=1)}
        hosts += [msgspec.structs.replace(host, name=names[host.name]) for host in own]
        only = None if run.hosts else own[0].name
        cases += [
            msgspec.structs.replace(case, host=names.get(case.host or only or ""))
            for case in run.cases
        ]
    return hosts, cases
