"""Runs stored by name in a folder."""

import os

import msgspec
import pytest

from pytest_energybench.results.errors import RunFileError, StorageError, WriteError
from pytest_energybench.results.run_file import write_run
from pytest_energybench.results.storage import Storage, good_figures, is_path
from tests.results.samples import full_run, make_case, make_run


@pytest.fixture
def storage(tmp_path):
    return Storage(tmp_path / ".energy")


def test_a_run_is_stored_as_a_json_file_of_its_name(storage):
    path = storage.save("main", full_run())
    assert path == storage.folder / "main.json"
    assert storage.load("main") == full_run()
    assert os.listdir(storage.folder) == ["main.json"]


@pytest.mark.parametrize(
    "name",
    [
        *("../../x", "a/b", "..", ".", "", ".hidden", "-x", "a b", "a\\b", "x\0", "x\n", "é"),
        *("a.json", "x" * 101),
    ],
)
def test_what_is_no_plain_name_is_refused_and_nothing_is_written(storage, tmp_path, name):
    with pytest.raises(StorageError) as refused:
        storage.save(name, full_run())
    assert len(str(refused.value).splitlines()) == 1
    assert "is no name for a stored run" in str(refused.value)
    assert os.listdir(tmp_path) == []


def test_a_name_that_is_taken_is_kept_unless_told(storage):
    storage.save("main", full_run())
    with pytest.raises(WriteError, match=r"main\.json: is there already"):
        storage.save("main", make_run())
    assert storage.load("main") == full_run()
    storage.save("main", make_run(), overwrite=True)
    assert storage.load("main") == make_run()


def test_stored_names_are_listed(storage):
    assert storage.names() == []
    for name in ("main", "a-1.2"):
        storage.save(name, make_run())
    (storage.folder / "notes.txt").touch()
    (storage.folder / ".main.json.1.tmp").touch()
    (storage.folder / "folder.json").mkdir()
    assert storage.names() == ["a-1.2", "main"]


def test_a_run_is_found_by_name_or_by_path(storage, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    storage.save("main", make_run())
    write_run(full_run(), "other.json")
    assert storage.load("main") == make_run()
    assert storage.load("other.json") == full_run()
    assert storage.load("./other.json") == full_run()
    assert storage.load(str(tmp_path / "other.json")) == full_run()
    assert is_path("../x")
    assert not is_path("main")


def test_a_name_under_which_nothing_is_stored_is_told_with_those_there_are(storage):
    storage.save("main", make_run())
    with pytest.raises(StorageError, match=r"no run is stored as 'mian' in .*\(there: main\)"):
        storage.load("mian")
    with pytest.raises(RunFileError, match="cannot be read"):
        storage.load("./none.json")


@pytest.mark.parametrize("outcome", ["failed", "error", "skipped"])
def test_what_failed_is_not_stored_as_a_good_figure(storage, outcome):
    good, bad = make_case("test_a", 1.0), make_case("test_b", 1.0, outcome=outcome)
    storage.save("main", make_run(good, bad))
    assert storage.load("main").cases == [good]


def test_an_unknown_total_is_no_good_figure_and_an_expected_failure_is_one():
    lost = make_case("test_a", 1.0, total_j=None)
    expected = make_case("test_b", 1.0, outcome="xfailed")
    part = make_case("test_c", 1.0, errors=["energy.measure('b') was never entered"])
    run = make_run(lost, expected, part)
    assert good_figures(run) == msgspec.structs.replace(run, cases=[expected])
