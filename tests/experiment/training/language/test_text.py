"""Text in three splits that know nothing of each other."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest
import torch

from pytest_energybench.experiment.training.errors import DataError
from pytest_energybench.experiment.training.language import text
from pytest_energybench.experiment.training.language.text import (
    documents,
    groups,
    lines,
    standard_library,
    text_data,
    to_bytes,
)
from tests.experiment.training.nets import CPU

SHARED = "this sentence stands in two of the documents, word for word"


def test_no_line_of_a_held_out_document_is_trained_on_whether_before_or_after() -> None:
    topics = documents("topics")
    parts = text._parts(topics)
    assert sorted(name for part in parts.values() for name in part) == sorted(topics)
    told = {
        split: {line for name in part for line in lines(topics[name])}
        for split, part in parts.items()
    }
    assert all(one.isdisjoint(other) for one, other in combinations(told.values(), 2))
    # "specialnames" repeats whole sections of others: by name alone they would be apart.
    assert any({"specialnames", "customization"} <= {*group} for group in groups(topics))


def test_sources_that_repeat_what_is_held_out_are_left_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "good.py").write_text("print('a program')")
    (tmp_path / "bad.py").write_text(f"# {SHARED}")
    monkeypatch.setattr(text.sysconfig, "get_paths", lambda: {"stdlib": str(tmp_path)})
    assert standard_library(frozenset({f"# {SHARED}"})) == "print('a program')"
    (tmp_path / "good.py").unlink()
    with pytest.raises(DataError, match=r"no Python sources in .*: give --bench-weights=DIR"):
        standard_library(frozenset({f"# {SHARED}"}))


def test_a_window_is_followed_by_its_next_token_and_the_fingerprint_by_any_change(
    tmp_path: Path,
) -> None:
    for number in range(40):
        (tmp_path / f"{number}.txt").write_text(f"document {number:02} " * 20, "utf-8")
    (tmp_path / "picture").write_bytes(b"\xff\xd8")
    made = text_data(f"text:{tmp_path}", to_bytes, 16, CPU)
    sizes = len(made.train), len(made.validation), len(made.test)
    assert sizes[0] > sizes[2] > sizes[1] > 0
    ids, following = next(made.train.ordered(4))
    assert ids.dtype == torch.int64
    assert torch.equal(ids.flatten()[1:], following.flatten()[:-1])
    assert bytes(ids[0].tolist()).startswith(b"document ")
    (tmp_path / "0.txt").write_text("document 00!" * 20, "utf-8")
    assert text_data(f"text:{tmp_path}", to_bytes, 16, CPU).fingerprint != made.fingerprint


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "no text in .*UTF-8 files are meant"),
        ({"a": SHARED, "b": SHARED, "c": SHARED}, "has no text of 16 tokens: documents that share"),
    ],
)
def test_text_that_cannot_be_split_is_refused(
    tmp_path: Path, files: dict[str, str], said: str
) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=said):
        text_data(f"text:{tmp_path}", to_bytes, 16, CPU)
