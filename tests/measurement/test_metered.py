"""Functions and notebook cells that are metered whenever they run."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pytest_energybench
from pytest_energybench import metered
from pytest_energybench.metering import default as meters
from pytest_energybench.metering.fake import FakeMeter
from pytest_energybench.metering.window import Window


@pytest.fixture(autouse=True)
def meter(monkeypatch: pytest.MonkeyPatch) -> FakeMeter:
    """What `measure()` reads: 10 W."""
    made = FakeMeter()
    monkeypatch.setattr(meters, "_default", made)
    return made


def test_a_function_tells_of_each_call(
    meter: FakeMeter, capsys: pytest.CaptureFixture[str]
) -> None:
    @metered
    def work(seconds: float, *, twice: bool = False) -> str:
        """Its own words."""
        meter.clock.advance(seconds * (1 + twice))
        return "done"

    assert work(2.0, twice=True) == "done"
    assert capsys.readouterr().err == "work: 40.0 J (measured) in 4.00 s\n"
    assert (work.__name__, work.__doc__) == ("work", "Its own words.")
    meter.source.lose("cpu:0")
    work(1.0)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("work: energy is not known, 1.00 s; cpu:0: lost")


def test_a_coroutine_is_metered_to_its_end_and_one_that_raises_is_not_told(
    meter: FakeMeter,
) -> None:
    windows: list[Window] = []

    @metered(name="fetch", tell=windows.append)
    async def work(seconds: float) -> float:
        await asyncio.sleep(0)
        meter.clock.advance(seconds)
        return 1 / seconds

    assert inspect.iscoroutinefunction(work)
    assert asyncio.run(work(2.0)) == 0.5
    with pytest.raises(ZeroDivisionError):
        asyncio.run(work(0.0))
    assert [(each.name, each.total_j) for each in windows] == [("fetch", 20.0)]


def test_work_that_is_still_to_be_done_is_refused() -> None:
    def numbers() -> Iterator[int]:
        yield 1

    with pytest.raises(TypeError, match="numbers is a generator"):
        metered(numbers)
    with pytest.raises(TypeError, match="returned a generator"):
        metered(lambda: (each for each in [1]))()


def test_a_cell_of_a_notebook(
    meter: FakeMeter,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shells = pytest.importorskip("IPython.core.interactiveshell")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    monkeypatch.setattr("atexit.register", lambda *_: None)  # it ends with this test
    shell: Any = shells.InteractiveShell(user_ns={"advance": meter.clock.advance})
    try:
        assert shell.run_cell("%load_ext pytest_energybench").success
        assert shell.run_cell("%%energy fit\nx = 3.0\nadvance(x)").success
        assert capsys.readouterr().out == "fit: 30.0 J (measured) in 3.00 s\n"
        assert shell.run_cell("%energy advance(x)").success
        assert capsys.readouterr().out == "cell: 30.0 J (measured) in 3.00 s\n"
        assert not shell.run_cell("%%energy\n1 / 0").success
        printed = "".join(capsys.readouterr())
        assert "cell: it raised, so its joules are no figure" in printed
        assert "J (" not in printed
        awaits = "%%energy fit\nimport asyncio\nawait asyncio.sleep(0)\nadvance(3.0)"
        assert shell.run_cell(awaits).success
        assert "fit: 30.0 J (measured)" in capsys.readouterr().out

        async def notebook() -> Any:
            return shell.run_cell(awaits)

        assert not asyncio.run(notebook()).success
        assert "fit: it awaits, and no magic can wait" in "".join(capsys.readouterr())
    finally:
        shell.atexit_operations()


def test_what_is_public_is_there() -> None:
    assert all(hasattr(pytest_energybench, name) for name in pytest_energybench.__all__)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("name", "a str is no function"),
        (staticmethod(len), "a staticmethod is no function: put @staticmethod above @metered"),
        (classmethod(len), "put @classmethod above @metered"),
        (property(len), "a property is no function"),
    ],
)
def test_what_is_no_function_is_refused_where_it_is_decorated(given: Any, says: str) -> None:
    with pytest.raises(TypeError, match=says):
        metered(given)


def test_a_name_is_shown_as_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    metered(name="a\x1b[31m\nb")(lambda: None)()
    assert capsys.readouterr().err.startswith("a\\x1b[31m b: ")
