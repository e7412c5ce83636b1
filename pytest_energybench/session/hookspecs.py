"""Hooks by which a project adds to pytest-energybench from its `conftest.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_energybench.metering.meter import Meter
    from pytest_energybench.metering.source import Source
    from pytest_energybench.report.attachments import Attachment
    from pytest_energybench.results.model import Case, Run
    from pytest_energybench.session.role import Ranks


@pytest.hookspec
def pytest_energy_settings(config: pytest.Config) -> Mapping[str, str | int | float | bool | None]:  # type: ignore[empty-body]
    """Settings that this project's figures depend on, e.g. its data set or preset.

    They are written into the run file, and runs whose settings differ are not compared.
    """


@pytest.hookspec
def pytest_energy_sources(config: pytest.Config) -> Sequence[Source]:  # type: ignore[empty-body]
    """Sources of joules of your own, e.g. a wall-socket meter.

    With `--energy-meters=auto` they are read beside those of the machine; a list such as
    `--energy-meters=wall` selects among all, yours by the names of their domains.
    """


@pytest.hookspec(firstresult=True)
def pytest_energy_meter(config: pytest.Config) -> Meter | None:
    """The meter of the whole session, instead of the machine's own; the first one given is used."""


@pytest.hookspec(firstresult=True)
def pytest_energy_carbon_intensity(config: pytest.Config) -> float | None:
    """Grams of CO2e per kWh of the electricity now, e.g. of a service that knows; None if it can't
    be told, so that `--energy-region` counts.

    Asked once a session and process, and not where `--energy-carbon-intensity` is given.
    """


@pytest.hookspec(firstresult=True)
def pytest_energy_ranks(config: pytest.Config) -> Ranks | None:
    """The processes that run this session together, where it was started by torchrun.

    Asked for only where `WORLD_SIZE` is more than one. All ranks then run the same tests in step,
    the first one reports, and one rank a host meters. For torch:
    `return pytest_energybench.experiment.training.rank_coordinator.RankCoordinator.of_torchrun()`.
    """


@pytest.hookspec
def pytest_energy_case(config: pytest.Config, case: Case, numbers: Mapping[str, float]) -> None:
    """A case as it stands in the run file, told once the session has ended and its files are
    written; in the reporting process only.

    `numbers` are its known figures by name, for an experiment tracker: `energy_j`, `duration_s`,
    `energy_per_token_j`, and the numbers among its metrics. What is not known is not in there.
    """


@pytest.hookspec
def pytest_energy_attachments(  # type: ignore[empty-body]
    config: pytest.Config, run: Run, folder: Path
) -> Sequence[Attachment]:
    """Figures (image files) and tables that belong into the report of this run.

    Called before the page is written, and only with `--energy-report`. What is to lie beside the
    page is written into `folder`, which exists; an image is embedded into the page.
    """
