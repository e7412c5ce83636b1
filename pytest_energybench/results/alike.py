"""Whether two runs' figures may stand side by side: machine, meters and settings."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from pytest_energybench.results.model import Machine, MeterInfo, Run, Scalar

IRRELEVANT_SETTINGS = frozenset(
    {"allow_missing", "pue", "carbon_intensity", "carbon_intensity_source", "rounds", "version"}
)
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


def commits(here: Run, there: Run) -> list[str]:
    """Whether two runs are of different code; empty where that is not known."""
    ours, theirs = here.commit, there.commit
    if ours is None or theirs is None or ours.id == theirs.id:
        return []
    return [f"commit is {ours.id[:12]} here and {theirs.id[:12]} there"]


def _machines(here: Machine, there: Machine) -> Iterable[str]:
    if here.fingerprint == there.fingerprint:
        return
    told = False
    for field in ("cpu", "cores", "memory_bytes", "gpus", "os", "python"):
        ours, theirs = getattr(here, field), getattr(there, field)
        if ours != theirs:
            told = True
            yield f"{field} is {_shown(ours)} here and {_shown(theirs)} there"
    if not told:
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
