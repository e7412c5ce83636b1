"""Where the figures come from: machine, commit, meters and settings as rows of words."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_energybench.base.text import sanitize
from pytest_energybench.gates import quantities
from pytest_energybench.report import answers
from pytest_energybench.report.view import HostView, MeterView
from pytest_energybench.results.model import (
    Commit,
    Host,
    Machine,
    MeterInfo,
    Run,
    Scalar,
    StoredRun,
)

_GIB = 2**30


def machine_and_origin(run: Run) -> tuple[tuple[str, str], ...]:
    """Name and value of what the run was made on and from; what is not known is left out."""
    rows = [
        ("Made", run.created),
        ("Commit", _commit(run.commit)),
        *([] if run.hosts else _machine(run.machine)),
        ("Compared with", ", ".join(_compared_with(run))),
    ]
    return tuple((name, sanitize(value)) for name, value in rows if value)


def _machine(machine: Machine) -> list[tuple[str, str]]:
    return [
        ("Host", machine.hostname or ""),
        ("Processor", f"{machine.cpu}, {machine.cores} cores" if machine.cpu else ""),
        ("Memory", f"{machine.memory_bytes / _GIB:,.1f} GiB" if machine.memory_bytes else ""),
        ("GPU", ", ".join(machine.gpus)),
        ("System", machine.os),
        ("Python", machine.python),
        ("Libraries installed", libraries(machine)),
        ("Machine fingerprint", machine.fingerprint),
    ]


def libraries(machine: Machine) -> str:
    """`numpy 2.4.6, torch 2.14.1`"""
    return ", ".join(f"{name} {version}" for name, version in machine.libraries.items())


def software(run: Run) -> str:
    """`CPython 3.11.9; installed: numpy 2.4.6, torch 2.14.1`, of each host that differs once."""
    machines = [host.machine for host in run.hosts] or [run.machine]
    words = (
        "; installed: ".join(filter(None, [machine.python, libraries(machine)]))
        for machine in machines
    )
    return sanitize(" | ".join(dict.fromkeys(filter(None, words))))


def host_view(host: Host) -> HostView:
    """One of several machines in words: a row of their table."""
    machine = [value for _, value in _machine(host.machine) if value]
    meters = [meter_view(meter).text for meter in host.meters]
    return HostView(
        name=sanitize(host.name),
        machine=sanitize(", ".join(machine)),
        meters=sanitize(", ".join(meters) or "none"),
    )


def _commit(commit: Commit | None) -> str:
    if commit is None:
        return ""
    text = commit.id[:12]
    if commit.branch:
        text += f" on {commit.branch}"
    if commit.subject:
        text += f": {commit.subject}"
    return f"{text} (with uncommitted changes)" if commit.dirty else text


def _compared_with(run: Run) -> list[str]:
    references = {
        answers.kind_of_reference(each)
        for case in run.cases
        for each in case.comparisons
        if each.reference != "stored" or each.estimate is not None
    }
    names = {
        "group": "each group's reference of this run",
        "pair": "the other function of a test",
        "stored": f"the stored run {stored_name(run.compared_with)}"
        if run.compared_with
        else "a stored run",
        "budget": "stated budgets",
    }
    return [text for reference, text in names.items() if reference in references]


def stored_name(stored: StoredRun) -> str:
    """`main (a1b2c3d, 2026-11-25)`"""
    parts = [stored.commit.id[:7] if stored.commit else "", stored.created[:10]]
    inside = ", ".join(filter(None, parts))
    return sanitize(f"{stored.name} ({inside})" if inside else stored.name)


def meter_view(meter: MeterInfo) -> MeterView:
    """One meter in words; what it does not state is said to be so."""
    return MeterView(
        domain=sanitize(meter.domain),
        source=sanitize(meter.source),
        provenance=meter.provenance,
        resolution=quantities.energy(meter.resolution).text if meter.resolution else "not stated",
        error=f"±{quantities.number(meter.error * 100)} %" if meter.error else "not stated",
        period=quantities.seconds(meter.period_s) if meter.period_s else quantities.UNKNOWN,
        note=sanitize(meter.note),
    )


def scalar_rows(values: Mapping[str, Scalar]) -> tuple[tuple[str, str], ...]:
    """Parameters, metrics or settings as name and text, in their order."""
    return tuple((sanitize(name), scalar(value)) for name, value in values.items())


def scalar(value: Scalar) -> str:
    """One recorded value as people read it."""
    if value is None:
        return quantities.UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        text = quantities.number(value)
        return text.rstrip("0").rstrip(".") if "." in text and "e" not in text else text
    return sanitize(value)
