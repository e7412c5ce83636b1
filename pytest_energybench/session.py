"""What a pytest session keeps: its meter, the finished cases, and the run they become."""

from __future__ import annotations

import datetime
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec
import pytest

from pytest_energybench import __version__, assembly
from pytest_energybench.draft import Draft
from pytest_energybench.fixture import Energy
from pytest_energybench.groups import group_of, implicit_key, is_baseline
from pytest_energybench.options import EnergyOptions, own_sources
from pytest_energybench.results.model import (
    Case,
    Comparison,
    Outcome,
    Run,
    Scalar,
    Verdict,
    worst,
)

if TYPE_CHECKING:
    from pytest_energybench.metering.meter import Meter

session_key = pytest.StashKey["EnergySession"]()
draft_key = pytest.StashKey[Draft]()


class EnergySession:
    """One per pytest session (and one per xdist worker); made when the first test needs it."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self.options = EnergyOptions.from_config(config)
        self.cases: dict[str, Case] = {}
        self.errors: list[str] = []

    @classmethod
    def of(cls, config: pytest.Config) -> EnergySession:
        """The session's one instance."""
        if session_key not in config.stash:
            config.stash[session_key] = cls(config)
        return config.stash[session_key]

    @cached_property
    def meter(self) -> Meter:
        """The meter of this process, chosen by a project's hook or `--energy-meters`.

        Ends the session where nothing of what was asked for can be read here.
        """
        from pytest_energybench.metering.discovery import discover
        from pytest_energybench.metering.errors import MeterError
        from pytest_energybench.metering.meter import Meter

        if self.options.disable:
            return Meter(())
        hook = self._config.hook
        own: Meter | None = hook.pytest_energy_meter(config=self._config)
        if own is not None:
            return own
        try:
            return discover(self.options.meters, extra=own_sources(self._config))
        except MeterError as error:
            pytest.exit(f"--energy-meters={self.options.meters}: {error}", returncode=4)

    def energy(self, item: pytest.Item) -> Energy:
        """The `energy` fixture of one test."""
        group = group_of(item)
        draft = Draft(
            Case(
                nodeid=item.nodeid,
                name=item.name,
                group=group,
                baseline=group is not None and is_baseline(item),
                params=params_of(item),
                implicit=item.stash.get(implicit_key, False),
            ),
            pue=self.options.pue,
        )
        item.stash[draft_key] = draft
        return Energy(
            draft,
            meter=lambda: self.meter,
            baseline=lambda: self.baseline(group),
            disabled=self.options.disable,
        )

    def baseline(self, group: str | None) -> Case | None:
        """The finished baseline of a group, None where there is none (yet)."""
        if group is None:
            return None
        return next(
            (case for case in self.cases.values() if case.baseline and case.group == group), None
        )

    def finished(self, draft: Draft, outcome: Outcome) -> Case:
        """The case of a test that has run; its verdict is the worst of what was judged."""
        case = draft.finished(self.baseline(draft.case.group))
        return judged(msgspec.structs.replace(case, outcome=outcome))

    def add(self, case: Case) -> None:
        """Take a finished case; a test that ran before adds to its rounds."""
        earlier = self.cases.get(case.nodeid)
        if earlier is not None:
            case = judged(assembly.join(earlier, case, pue=self.options.pue))
        self.cases[case.nodeid] = case

    def run(self) -> Run:
        """Everything of this session as it is written and shown."""
        from pytest_energybench.metering.machine import machine_facts
        from pytest_energybench.origin import machine_record, meter_records
        from pytest_energybench.results.commit import read_commit

        return Run(
            created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            commit=read_commit(self._config.rootpath),
            machine=machine_record(machine_facts()),
            meters=meter_records(self.meter),
            settings=self._settings(),
            cases=list(self.cases.values()),
            errors=assembly.unique([*self.errors, *self.meter.problems]),
        )

    def _settings(self) -> dict[str, Scalar]:
        settings: dict[str, Scalar] = {
            "version": __version__,
            "meters": self.options.meters,
            "pue": self.options.pue,
            "carbon_intensity": self.options.carbon_intensity,
        }
        for given in self._config.hook.pytest_energy_settings(config=self._config):
            settings.update(given)
        return settings


def judged(case: Case) -> Case:
    """The case with its verdict; a lost domain is an error whatever else was found."""
    comparisons = list(case.comparisons)
    if case.errors:
        lost = Verdict(kind="error", reason=case.errors[0], n=len(case.rounds))
        comparisons.append(Comparison(origin="budget", verdict=lost))
    return msgspec.structs.replace(case, verdict=worst(comparisons))


def params_of(item: pytest.Item) -> dict[str, Scalar]:
    """The parameters of a parametrized test: scalars as they are, other objects by their name."""
    callspec = getattr(item, "callspec", None)
    if callspec is None:
        return {}
    return {name: _scalar(value) for name, value in callspec.params.items()}


def _scalar(value: object) -> Scalar:
    if value is None or isinstance(value, str | bool | int | float):
        return value
    return str(getattr(value, "__name__", None) or getattr(value, "name", None) or value)[:200]
