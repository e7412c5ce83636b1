"""What tells one set of images from another."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_energybench.experiment.training.datasets import fingerprints


@pytest.fixture
def files(tmp_path: Path) -> list[tuple[Path, int]]:
    samples = [(tmp_path / f"{number}.png", number % 2) for number in range(40)]
    for file, label in samples:
        file.write_bytes(b"%d" % label * 10)
    return samples


def test_of_many_files_names_and_sizes_count_all_and_bytes_of_a_sample(
    tmp_path: Path, files: list[tuple[Path, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fingerprints, "ALL_READ", 20)
    monkeypatch.setattr(fingerprints, "SAMPLED", 4)
    seen = [fingerprints.of_files(tmp_path, [files])]
    changed = []
    for file, _ in files:
        before = file.read_bytes()
        file.write_bytes(b"x" * len(before))
        changed.append(fingerprints.of_files(tmp_path, [files]) != seen[0])
        file.write_bytes(before + b"x")
        seen.append(fingerprints.of_files(tmp_path, [files]))
        file.write_bytes(before)
    assert sum(changed) == 4
    assert len(set(seen)) == 41


def test_classes_and_splits_count_and_the_folder_s_place_does_not(
    tmp_path: Path, files: list[tuple[Path, int]]
) -> None:
    first, second = files[:20], files[20:]
    relabelled = [(file, 1 - label) for file, label in first]
    seen = {
        fingerprints.of_files(tmp_path, splits)
        for splits in ([first, second], [second, first], [files], [relabelled, second])
    }
    assert len(seen) == 4
    moved = tmp_path.with_name(tmp_path.name + "-moved")
    tmp_path.rename(moved)
    there = [[(moved / file.name, label) for file, label in part] for part in (first, second)]
    assert fingerprints.of_files(f"{moved}/", there) in seen


def test_bytes_that_are_cut_elsewhere_are_others() -> None:
    assert fingerprints.of_bytes([b"ab", b"c"]) != fingerprints.of_bytes([b"a", b"bc"])
