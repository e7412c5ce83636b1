"""The gate of a session in JUnit's file."""

from __future__ import annotations

from collections.abc import Sequence

import pytest


def fill_junit(config: pytest.Config, lines: Sequence[str]) -> None:
    """Put lines about the whole session into JUnit's file, as properties of its test suite."""
    if not getattr(config.option, "xmlpath", None):
        return
    for plugin in config.pluginmanager.get_plugins():
        if type(plugin).__name__ == "LogXML":
            for line in lines:
                plugin.add_global_property("energy_gate", line)
