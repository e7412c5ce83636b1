"""The head of a session's run: what the options and the project's hooks say of its figures."""

from __future__ import annotations

import datetime
import platform
from collections.abc import Mapping

import pytest

from pytest_energybench.gates.parse import short
from pytest_energybench.measurement.run_head import run_head
from pytest_energybench.metering.clock import SYSTEM_CLOCK
from pytest_energybench.metering.meter import Meter
from pytest_energybench.results.model import Run, Scalar
from pytest_energybench.results.storable import scalar, text
from pytest_energybench.session.carbon import Intensity, of_region
from pytest_energybench.session.config import EnergyConfig
from pytest_energybench.session.options import MOST


def session_head(
    config: pytest.Config, options: EnergyConfig, meter: Meter, conditions: Mapping[str, Scalar]
) -> Run:
    """The run without its cases and shard.

    Raises:
        pytest.UsageError: a hook returned settings that are none.
    """
    return run_head(
        meter,
        _settings(config, options, conditions),
        folder=config.rootpath,
        storage=options.storage,
        hostname=platform.node() if options.hostname else None,
    )


def _settings(
    config: pytest.Config, options: EnergyConfig, conditions: Mapping[str, Scalar]
) -> dict[str, Scalar]:
    carbon = _intensity(config, options)
    settings: dict[str, Scalar] = {
        "meters": options.meters,
        "pue": options.pue,
        "carbon_intensity": carbon.g_per_kwh if carbon else None,
        "carbon_intensity_source": carbon.source if carbon else options.carbon_source,
        "idle": options.idle,
        "rounds": options.rounds,
        **conditions,
    }
    if options.cooldown:
        settings["cooldown_s"] = options.cooldown
    optional = {"embodied_g_per_h": options.embodied, "water_l_per_kwh": options.water}
    settings.update({name: value for name, value in optional.items() if value is not None})
    if options.allow_missing:
        settings["allow_missing"] = ",".join(options.allow_missing)
    for given in config.hook.pytest_energy_settings(config=config):
        if not isinstance(given, Mapping):
            raise pytest.UsageError(
                f"pytest_energy_settings returned {given!r}: a dict of names and values"
            )
        settings.update({text(name): scalar(value) for name, value in given.items()})
    return settings


def _intensity(config: pytest.Config, options: EnergyConfig) -> Intensity | None:
    """The session's intensity: the option's, else the hook's, else the region's of a whole year.

    Raises:
        pytest.UsageError: the hook returned no intensity.
    """
    if options.carbon_intensity is not None:
        return Intensity(options.carbon_intensity, options.carbon_source)
    live = config.hook.pytest_energy_carbon_intensity(config=config)
    if live is None:
        return None if options.region is None else of_region(options.region)
    if isinstance(live, bool) or not isinstance(live, int | float) or not 0 <= live <= MOST:
        raise pytest.UsageError(
            f"pytest_energy_carbon_intensity returned {short(live)}: grams of CO2e per"
            f" kWh, 0 or more and at most {MOST:,.0f}, or None"
        )
    wall = datetime.datetime.fromtimestamp(SYSTEM_CLOCK.wall(), datetime.UTC)
    now = wall.strftime("%Y-%m-%d %H:%M UTC")
    where = " ".join(filter(None, [options.region, now]))
    return Intensity(float(live), options.carbon_source or f"{where}, live")
