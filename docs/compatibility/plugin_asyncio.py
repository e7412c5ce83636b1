from __future__ import annotations

import asyncio

import pytest

pytestmark = pytest.mark.asyncio


async def test_awaits(energy, work):
    with energy.measure():
        await asyncio.sleep(0)
        work(10.0)
    energy.assert_below("20 J")


@pytest.mark.energy_budget(max="20 J")
async def test_awaits_within_its_marker(work):
    await asyncio.sleep(0)
    work(10.0)


@pytest.mark.over
async def test_awaits_too_much(energy, work):
    with energy.measure():
        await asyncio.sleep(0)
        work(10.0)
    energy.assert_below("5 J")


@pytest.mark.over
@pytest.mark.energy_budget(max="5 J")
async def test_awaits_over_its_marker(work):
    await asyncio.sleep(0)
    work(10.0)
