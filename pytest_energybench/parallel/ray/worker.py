"""A unit's own pytest: the user's arguments, the unit's tests only, and a log of them.

`python -P worker.py FOLDER FD`: a script, and nothing of the package is imported until pytest has
loaded the plugin, as in any start of pytest. In FOLDER it finds `task.json`. It writes
`journal` (the figures, as `results.journal` has them) and `log`, one JSON object a line:
`{"start": NODEID}`, `{"report": {...}}` in pytest's own serial form without the figures,
`{"finish": NODEID}`, and `{"warning": {...}}` for what a test warned of. What stands there survives
however the process ends.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import warnings
from collections.abc import Generator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pytest_energybench.results.journal import Journal

DRIVERS_OWN: Mapping[str, Any] = {
    "energy_ray": False,
    "energy_shard": False,
    "energy_json": False,
    "energy_save": False,
    "energy_compare": False,
    "energy_history": False,
    "energy_fail_on": None,
    "energy_report": False,
    "energy_resume": False,
    "energy_strict_budgets": False,
    "xmlpath": None,
    "htmlpath": None,
    "report_log": None,
    "benchmark_json": None,
    "benchmark_save": None,
    "benchmark_autosave": False,
    "pastebin": None,
    "lf": False,
    "failedfirst": False,
    "newfirst": False,
    "stepwise": False,
    "cacheclear": False,
}
"""Option -> its value here, since the driver does what it asks for: it selects, judges the whole,
reports and writes. False is an option that is off, whatever the ini file says."""


class Child:
    """The plugin that makes a pytest a unit's."""

    def __init__(self, folder: Path) -> None:
        self._task = json.loads((folder / "task.json").read_text())
        self._log = (folder / "log").open("w", encoding="utf-8")
        self._journal_path = folder / "journal"
        self._journal: Journal | None = None
        self._config: pytest.Config

    @property
    def arguments(self) -> list[str]:
        """pytest's arguments."""
        return list(self._task["arguments"])

    @property
    def safe_path(self) -> bool:
        """Whether pytest was started without its folder on the module path."""
        return bool(self._task["safe_path"])

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_cmdline_main(self, config: pytest.Config) -> Generator[None, object, object]:
        self._config = config
        for name, value in DRIVERS_OWN.items():
            if hasattr(config.option, name):
                setattr(config.option, name, value)
        if getattr(config.option, "basetemp", None) is not None:
            config.option.basetemp = Path(config.option.basetemp) / self._task["basetemp"]
            config.option.basetemp.parent.mkdir(parents=True, exist_ok=True)
        config.args = self._task["files"]
        return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> Generator[None]:
        # Baselines that are not among these come back after this, as they did for the driver.
        yield
        mine = set(self._task["nodeids"])
        others = [item for item in items if item.nodeid not in mine]
        if others:
            items[:] = [item for item in items if item.nodeid in mine]
            config.hook.pytest_deselected(items=others)

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._write("start", nodeid)

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        plain = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
        case, last = plain.pop("energy_case", None), plain.pop("energy_last", False)
        if last:
            self._keep(case["nodeid"])
        self._write("report", plain)

    @pytest.hookimpl(trylast=True)
    def pytest_warning_recorded(
        self,
        warning_message: warnings.WarningMessage,
        when: str,
        nodeid: str,
        location: tuple[str, int, str] | None,
    ) -> None:
        if when != "runtest":
            return  # the driver has collected, too
        category = warning_message.category
        self._write(
            "warning",
            {
                "text": str(warning_message.message),
                "category": [category.__module__, category.__qualname__],
                "filename": warning_message.filename,
                "lineno": warning_message.lineno,
                "nodeid": nodeid,
                "location": location,
            },
        )

    def _keep(self, nodeid: str) -> None:
        from pytest_energybench.results.journal import Journal
        from pytest_energybench.session.state import EnergySession

        session = EnergySession.of(self._config)
        if self._journal is None:
            self._journal = Journal.create(self._journal_path, session.head)
        self._journal.append(session.cases[nodeid])

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self._write("finish", nodeid)

    def _write(self, name: str, value: object) -> None:
        self._log.write(json.dumps({name: value}, default=str) + "\n")
        self._log.flush()


def follow(descriptor: int) -> None:
    """End this process and all that it started when nobody writes to the pipe any more."""

    def wait() -> None:
        with suppress(OSError):
            os.read(descriptor, 1)
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()


def main() -> int:
    """pytest's exit status."""
    folder, descriptor = sys.argv[1:]
    # Ray blocks it for all that it starts; here it is how a task lets pytest tear down.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    signal.signal(signal.SIGINT, signal.default_int_handler)
    follow(int(descriptor))
    child = Child(Path(folder))
    if not child.safe_path:
        sys.path.insert(0, os.getcwd())  # as `python -m pytest` does
    sys.argv[:] = ["pytest", *child.arguments]
    return pytest.main(child.arguments, plugins=[child])


if __name__ == "__main__":
    sys.exit(main())
