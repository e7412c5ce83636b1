"""A pytest plugin that measures how much energy tests use and fails them when it is too much.

In pytest, the `energy` fixture meters, records and asserts. Outside of it the same windows are
`with measure("train") as window: ...`, then `window.total_j`, `window.energy_j` (domain -> joules),
`window.duration_s`, `window.provenance`, `window.flags` and `window.errors`. `@metered` does so at
every call of a function, and `%load_ext pytest_energybench` gives a notebook `%%energy`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_energybench.measurement.metered import metered as metered
    from pytest_energybench.metering.default import measure as measure

__version__ = "0.1.0"
__all__ = ["__version__", "measure", "metered"]


def __getattr__(name: str) -> Any:
    """Import a public name at first use: loading the plugin costs a pytest start nothing."""
    if name == "measure":
        from pytest_energybench.metering.default import measure

        return measure
    if name == "metered":
        from pytest_energybench.measurement.metered import metered

        return metered
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def load_ipython_extension(ipython: Any) -> None:
    """What IPython calls for `%load_ext pytest_energybench`."""
    from pytest_energybench.measurement.metered import load_magic

    load_magic(ipython)
