"""Noise floors are kept by machine, meters and case."""

import msgspec
import pytest

from pytest_energybench.results.errors import RunFileError
from pytest_energybench.results.storage import (
    NOISE_FILE,
    Floor,
    Storage,
    floor_of,
    keep_floors,
    read_floors,
)
from tests.results.samples import MACHINE, make_case, make_run

METERS = "cpu cpu-time, ram ram-size"


def floor(nodeid="a", value=0.07, machine=MACHINE.fingerprint, meters=METERS):
    return Floor(machine=machine, meters=meters, nodeid=nodeid, floor=value, pairs=5)


def test_what_is_kept_is_read_and_replaced_by_what_is_newer(tmp_path):
    assert read_floors(tmp_path / "none") == []
    keep_floors(tmp_path / "new", [floor(), floor("b", 0.02)])
    keep_floors(tmp_path / "new", [floor(value=0.05), floor(machine="other")])
    kept = read_floors(tmp_path / "new")
    assert [(f.nodeid, f.machine, f.floor) for f in kept] == [
        ("a", MACHINE.fingerprint, 0.05),
        ("b", MACHINE.fingerprint, 0.02),
        ("a", "other", 0.07),
    ]


def test_a_case_has_its_own_floor_else_the_lowest_of_its_machine_and_meters():
    run = make_run(make_case("test_a", 1.0))
    floors = [
        floor("a", 0.07),
        floor("b", 0.02),
        floor("c", 0.001, machine="other"),
        floor("d", 0.001, meters="cpu:0 rapl"),
    ]
    assert floor_of(run, "a", floors) == 0.07
    assert floor_of(run, "new", floors) == 0.02
    elsewhere = make_run(machine=msgspec.structs.replace(MACHINE, fingerprint="x"))
    assert floor_of(elsewhere, "a", floors) is None


def test_the_file_is_no_stored_run(tmp_path):
    keep_floors(tmp_path, [floor()])
    Storage(tmp_path).save("main", make_run(make_case("test_a", 1.0)))
    assert Storage(tmp_path).names() == ["main"]


@pytest.mark.parametrize("content", [b"", b"{}", b'[{"machine": 1}]', b"\xff", b"[" * 10_000])
def test_a_damaged_file_is_told(tmp_path, content):
    (tmp_path / NOISE_FILE).write_bytes(content)
    for use in (read_floors, lambda folder: keep_floors(folder, [floor()])):
        with pytest.raises(RunFileError, match=NOISE_FILE):
            use(tmp_path)
    assert (tmp_path / NOISE_FILE).read_bytes() == content
