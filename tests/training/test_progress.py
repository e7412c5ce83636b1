"""The progress bar, on a terminal and on none."""

from __future__ import annotations

import io
import threading

import pytest

from pytest_energybench.training import progress
from pytest_energybench.training.evaluate import Score


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def drive(stream: io.StringIO, asked: list[int]) -> None:
    def joules() -> float:
        asked.append(1)
        return 1234.0

    bar = progress.Progress("resnet18-baseline", 64, joules, stream)
    if bar.due:
        bar.batch(32, 0.5)
    bar.epoch(1, Score(97, 100, 0.123))
    if bar.due:
        bar.batch(64, 0.25)
    bar.close()


def test_shows_loss_accuracy_epoch_and_joules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "REFRESH_SECONDS", 0.0)
    stream = Terminal()
    drive(stream, [])
    text = stream.getvalue()
    assert "resnet18-baseline" in text
    assert "epoch 1, loss 0.500, 1234 J" in text
    assert "epoch 2, loss 0.250, val 0.123 / 0.970, 1234 J" in text


def test_is_quiet_and_asks_for_nothing_where_there_is_no_terminal() -> None:
    stream, asked = io.StringIO(), list[int]()
    drive(stream, asked)
    assert stream.getvalue() == ""
    assert asked == []


def test_draws_and_asks_for_joules_at_most_once_a_second() -> None:
    asked = list[int]()
    drive(Terminal(), asked)
    assert len(asked) == 1


def test_no_thread_outlives_a_bar() -> None:
    drive(Terminal(), [])
    assert not [thread for thread in threading.enumerate() if "tqdm" in type(thread).__module__]
