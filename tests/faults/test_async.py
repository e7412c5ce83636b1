"""Windows around awaits: tasks take turns, so theirs overlap without nesting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("pytest_asyncio", reason="pytest-asyncio is not installed")

TASKS = """
import asyncio
import pytest

@pytest.mark.asyncio
async def test_around_an_await(energy, work):
    with energy.measure("await"):
        work(1.0)
        await asyncio.sleep(0.001)
        work(1.0)

@pytest.mark.asyncio
async def test_two_tasks(energy, work):
    first_is_in, second_is_in, first_is_out = (asyncio.Event() for _ in range(3))

    async def first():
        with energy.measure("first"):
            work(1.0)
            first_is_in.set()
            await second_is_in.wait()
            work(1.0)
        first_is_out.set()

    async def second():
        await first_is_in.wait()
        with energy.measure("second"):
            work(1.0)
            second_is_in.set()
            await first_is_out.wait()
            work(1.0)

    await asyncio.gather(first(), second())

@pytest.mark.asyncio
async def test_a_task_is_cancelled(energy, work):
    async def hang():
        with energy.measure("hang"):
            work(1.0)
            await asyncio.sleep(60)

    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(hang(), 0.01)

@pytest.fixture
async def client(energy, work):
    with energy.measure("client"):
        work(1.0)
        yield

@pytest.mark.asyncio
async def test_an_async_generator_holds_one(client, work):
    work(1.0)
"""


def test_joules_of_tasks_that_take_turns_count_once(
    suite: pytest.Pytester, cases: Callable[..., dict[str, dict[str, Any]]]
) -> None:
    suite.makepyfile(test_tasks=TASKS)
    suite.makeini("[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function")
    result = suite.runpytest("-p", "pytest_asyncio.plugin", "--energy-report")
    result.assert_outcomes(passed=4)
    found = {name: case["total_j"] for name, case in cases().items()}
    assert found == {
        "test_around_an_await": 24.0,
        "test_two_tasks": 48.0,
        "test_a_task_is_cancelled": 12.0,
        "test_an_async_generator_holds_one": 24.0,
    }
