"""Cached weights: whole, or noticed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

from pytest_energybench.experiment.training import cache

STATE = {"weight": torch.arange(6.0).view(2, 3), "count": torch.tensor(3)}


def test_what_is_written_is_read(tmp_path: Path) -> None:
    cache.write(tmp_path / "deep" / "a.weights", STATE)
    state = cache.read(tmp_path / "deep" / "a.weights")
    assert all(torch.equal(state[key], STATE[key]) for key in STATE)
    assert [file.name for file in (tmp_path / "deep").iterdir()] == ["a.weights"]


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "other"])
def test_damage_is_noticed_said_and_made_good(tmp_path: Path, damage: str) -> None:
    file = tmp_path / "a.weights"
    cache.write(file, STATE)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(
        {"flip": bytes(content), "cut": content[:200], "empty": b"", "other": b"PK\x03\x04"}[damage]
    )
    state, notes = cache.cached(file, lambda: {"weight": torch.ones(1)})
    assert torch.equal(state["weight"], torch.ones(1))
    assert len(notes) == 1
    assert f"damaged and made again: checksum does not match: {file}" in notes[0]
    again, notes = cache.cached(file, make_nothing)
    assert torch.equal(again["weight"], torch.ones(1))
    assert notes == []


def make_nothing() -> Mapping[str, torch.Tensor]:
    raise AssertionError("the cached file should have been used")


def test_a_write_that_fails_leaves_the_old_file_and_no_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.weights"
    cache.write(file, STATE)

    def full(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(cache.os, "replace", full)
    with pytest.raises(OSError, match="no space"):
        cache.write(file, {"weight": torch.zeros(1)})
    assert torch.equal(cache.read(file)["weight"], STATE["weight"])
    assert list(tmp_path.iterdir()) == [file]


def test_another_key_is_another_file(tmp_path: Path) -> None:
    key = {"model": "resnet18", "seed": 0}
    first = cache.cached_file(tmp_path, "resnet18", key)
    assert first == cache.cached_file(tmp_path, "resnet18", dict(reversed(key.items())))
    assert first != cache.cached_file(tmp_path, "resnet18", {**key, "seed": 1})
