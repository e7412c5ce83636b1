"""The meter of a session: a project's own, the machine's, or the one that ranks have together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import pytest

from pytest_energybench.metering.errors import MeterError
from pytest_energybench.metering.meter import Meter
from pytest_energybench.session.config import EnergyConfig, own_sources
from pytest_energybench.session.real_files import real_files
from pytest_energybench.session.role import role_of

__tracebackhide__ = True  # a user's mistake is shown at the user's line


def session_meter(
    config: pytest.Config, options: EnergyConfig, tell: Callable[[str], None]
) -> Meter:
    """The meter of this process, chosen by a project's hook or `--energy-meters`; where several
    ranks run together, the one that they have in common.

    Raises:
        pytest.UsageError: nothing of what was asked for can be read here, or a hook returned
            something else than a meter.
    """
    role = role_of(config)
    if options.disable or not role.meters_here():
        return Meter(())
    try:
        meter = role.meter(partial(_own_meter, config, options, tell))
    except MeterError as error:
        raise pytest.UsageError(f"--energy-meters={options.meters}: {error}") from None
    meter.cooldown_s = options.cooldown
    return meter


@real_files()
def _own_meter(
    config: pytest.Config,
    options: EnergyConfig,
    tell: Callable[[str], None],
    local_pids: Sequence[int] = (),
    gpus: str | None = None,
) -> Meter:
    """The meter of this machine; `local_pids` are the other ranks' processes on it, and `gpus` what
    they see of its GPUs, as `discover` takes it."""
    from pytest_energybench.metering.discovery import discover
    from pytest_energybench.metering.locks import Patience

    own: Meter | None = config.hook.pytest_energy_meter(config=config)
    if own is not None:
        if not isinstance(own, Meter):
            raise pytest.UsageError(f"pytest_energy_meter returned {own!r}: a Meter, or None")
        own.allow_missing |= frozenset(options.allow_missing)
        return own
    return discover(
        options.meters,
        own=own_sources(config),
        patience=Patience(limit_s=options.wait, tell=tell),
        local_pids=local_pids,
        gpus=gpus,
        allow_missing=options.allow_missing,
    )
