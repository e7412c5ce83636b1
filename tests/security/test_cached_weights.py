"""The cache of starting weights under attack: nothing runs, nothing wrong is trained with."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from pytest_energybench.experiment.training import cache  # noqa: E402

State = dict[str, "torch.Tensor"]
STATE: State = {"weight": torch.arange(6.0)}
FRESH: State = {"weight": torch.ones(2)}


class Evil:
    """Makes a file when it is unpickled."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return (open, (str(self.proof), "w"))


def signed(file: Path, payload: bytes) -> None:
    """Write a file with the right checksum, as anybody can."""
    digest = hashlib.sha256(file.name.encode() + b"\n" + payload).hexdigest().encode()
    file.write_bytes(cache.MAGIC + digest + b"\n" + payload)


def with_torch_save(value: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def an_archive(name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, content)
    return buffer.getvalue()


ATTACKS: dict[str, Callable[[Path], bytes]] = {
    "a pickle that makes a file": lambda proof: with_torch_save({"weight": Evil(proof)}),
    "a bare pickle": lambda proof: pickle.dumps(Evil(proof)),
    "an old pickle": lambda proof: pickle.dumps(Evil(proof), protocol=0),
    "no pickle at all": lambda _: b"\0" * 1000,
    "nothing": lambda _: b"",
    "an archive of something": lambda _: an_archive("x", b"x"),
    "an archive that leaves its folder": lambda _: an_archive("../../data.pkl", b"x"),
    "a list": lambda _: with_torch_save([1, 2]),
    "numbers in place of tensors": lambda _: with_torch_save({"weight": 3}),
}


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("attack", ATTACKS)
def test_a_file_with_the_right_checksum_is_data_or_nothing(tmp_path: Path, attack: str) -> None:
    file, proof = tmp_path / "a.weights", tmp_path / "was run"
    signed(file, ATTACKS[attack](proof))
    state, notes = cache.cached(file, lambda: FRESH)
    assert not proof.exists()
    assert torch.equal(state["weight"], FRESH["weight"])
    assert notes == [f"cached weights were damaged and made again: holds no weights: {file}"]
    assert torch.equal(cache.read(file)["weight"], FRESH["weight"])


def test_every_flipped_bit_and_every_cut_is_noticed(tmp_path: Path) -> None:
    file = tmp_path / "a.weights"
    cache.write(file, STATE)
    content = file.read_bytes()
    for place in (*range(100), *range(100, len(content), 37)):
        flipped = bytearray(content)
        flipped[place] ^= 1 << place % 8
        file.write_bytes(flipped)
        with pytest.raises(ValueError):
            cache.read(file)
    for length in range(0, len(content), 61):
        file.write_bytes(content[:length])
        with pytest.raises(ValueError, match="checksum does not match"):
            cache.read(file)


def test_another_keys_file_under_this_keys_name_is_noticed(tmp_path: Path) -> None:
    ours, theirs = (cache.cached_file(tmp_path, "net", {"seed": seed}) for seed in (0, 1))
    cache.write(theirs, STATE)
    theirs.rename(ours)
    state, notes = cache.cached(ours, lambda: FRESH)
    assert torch.equal(state["weight"], FRESH["weight"])
    assert "checksum does not match" in notes[0]


class TestWhatIsNoPlainFile:
    def test_a_link_is_replaced_and_its_target_stays(self, tmp_path: Path) -> None:
        target, file = tmp_path / "precious", tmp_path / "a.weights"
        target.write_text("precious")
        file.symlink_to(target)
        _, notes = cache.cached(file, lambda: FRESH)
        assert "made again" in notes[0]
        assert target.read_text() == "precious"
        assert not file.is_symlink()

    def test_a_pipe_does_not_hang_the_run(self, tmp_path: Path) -> None:
        file = tmp_path / "a.weights"
        os.mkfifo(file)
        state, _ = cache.cached(file, lambda: FRESH)
        assert torch.equal(state["weight"], FRESH["weight"])
        assert torch.equal(cache.read(file)["weight"], FRESH["weight"])

    @pytest.mark.parametrize("kind", ["folder", "no folder for it"])
    def test_weights_that_cannot_be_cached_are_used_and_that_is_told(
        self, tmp_path: Path, kind: str
    ) -> None:
        file = tmp_path / "deep" / "a.weights"
        if kind == "folder":
            file.mkdir(parents=True)
        else:
            (tmp_path / "deep").write_text("a file")
        state, notes = cache.cached(file, lambda: FRESH)
        assert torch.equal(state["weight"], FRESH["weight"])
        (note,) = notes
        assert note.startswith("weights not cached, so that the next run makes them again: ")
        assert list(tmp_path.rglob("*.part")) == []


WRITER = """
import sys, torch
from pathlib import Path
from pytest_energybench.experiment.training import cache
for turn in range(60):
    cache.write(Path(sys.argv[1]), {"weight": torch.full((5000,), float(sys.argv[2]))})
"""


@pytest.mark.slow
def test_writers_side_by_side_leave_one_whole_file(tmp_path: Path) -> None:
    file = tmp_path / "a.weights"
    cache.write(file, {"weight": torch.zeros(5000)})
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(file), str(number)])
        for number in (1, 2)
    ]
    seen = set()
    while any(writer.poll() is None for writer in writers):
        (value,) = set(cache.read(file)["weight"].tolist())  # never a mixture
        seen.add(value)
    assert [writer.returncode for writer in writers] == [0, 0]
    assert len(seen) > 1
    assert [path.name for path in tmp_path.iterdir()] == ["a.weights"]
