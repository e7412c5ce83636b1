"""The run file: what is written is read back, and what is doubtful is refused with its place."""

import json
import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_energybench.results.errors import ResultsError, RunFileError, WriteError
from pytest_energybench.results.run_file import encode_run, parse_run, read_run, write_run
from tests.results.samples import full_run, make_case, make_run


@pytest.fixture
def document():
    """A run file's content as plain JSON values."""
    return json.loads(encode_run(full_run()))


@pytest.fixture
def refusal(tmp_path):
    """The one line with which some content is refused."""

    def read(content):
        path = tmp_path / "run.json"
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        with pytest.raises(RunFileError) as refused:
            read_run(path)
        message = str(refused.value)
        assert message.startswith(f"{path}: ")
        assert len(message.splitlines()) == 1
        return message.removeprefix(f"{path}: ")

    return read


def test_a_run_is_read_back_as_it_was_written(tmp_path):
    path = tmp_path / "a" / "b" / "run.json"
    write_run(full_run(), path)
    assert read_run(path) == full_run()
    assert os.listdir(path.parent) == ["run.json"]


def test_the_file_is_stable_readable_utf8(tmp_path):
    first, second = tmp_path / "1.json", tmp_path / "2.json"
    write_run(full_run(), first)
    write_run(full_run(), second)
    text = first.read_text(encoding="utf-8")
    assert first.read_bytes() == second.read_bytes()
    assert text.startswith('{\n  "schema_version": 2,\n')
    assert text.endswith("}\n")
    assert "énergie" in text


def test_unknown_fields_are_skipped_anywhere(tmp_path, document):
    document["later"] = {"x": [1, 2]}
    document["cases"][0]["later"] = 5
    document["machine"]["later"] = None
    path = tmp_path / "run.json"
    path.write_text(json.dumps(document))
    assert read_run(path) == full_run()


@pytest.mark.parametrize("version", [1, 3, 0, "2", True, 2.5])
def test_another_major_version_is_refused_by_name(refusal, document, version):
    document["schema_version"] = version
    document["cases"] = "what a later version makes of it"
    message = refusal(document)
    assert f"schema version {version!r}" in message
    assert "`$.schema_version`" in message


def test_a_file_without_a_version_is_no_run(refusal):
    assert "no `$.schema_version`" in refusal({"benchmarks": []})


@pytest.mark.parametrize(
    ("field", "value", "place"),
    [
        ("total_j", -1.0, "$.cases[0].total_j"),
        ("total_j", "40", "$.cases[0].total_j"),
        ("facility_j", -0.5, "$.cases[0].facility_j"),
        ("duration_s", -1, "$.cases[0].duration_s"),
        ("duration_s", None, "$.cases[0].duration_s"),
        ("energy_j", {"cpu": -1}, "$.cases[0].energy_j[...]"),
        ("energy_j", [1], "$.cases[0].energy_j"),
        ("provenance", {"cpu": 1}, "$.cases[0].provenance[...]"),
        ("outcome", None, "$.cases[0].outcome"),
        ("nodeid", 5, "$.cases[0].nodeid"),
        ("rounds", [{"started": ""}], "$.cases[0].rounds[0]"),
    ],
)
def test_a_wrong_value_is_refused_with_its_place(refusal, document, field, value, place):
    document["cases"][0][field] = value
    assert f"`{place}`" in refusal(document)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400", "1" + 400 * "0"])
def test_numbers_that_are_not_finite_are_refused(refusal, number):
    content = encode_run(make_run(make_case("test_a", 123.25)))
    assert refusal(content.replace(b"123.25", number.encode(), 1))


def test_a_key_that_appears_twice_is_refused_with_its_place(refusal):
    content = encode_run(make_run(make_case("test_a", 1.0)))
    twice = content.replace(b'"facility_j"', b'"total_j": 5, "facility_j"', 1)
    assert "twice" in refusal(twice)
    assert "`$.cases[0].total_j`" in refusal(twice)
    as_written = msgspec.json.encode(full_run())
    assert parse_run(as_written + b"\n") == full_run()
    assert "`$.created`" in refusal(as_written.replace(b'"created"', b'"created":"","created"', 1))


@pytest.mark.parametrize(
    "content", [b"", b"   ", b"not json", b"\xff\xfe", b"[]", b"null", b"{}{}"]
)
def test_what_is_no_json_object_is_refused(refusal, content):
    assert refusal(content)


def test_nesting_without_end_is_refused(refusal):
    assert refusal(b"[" * 100_000)
    assert "nested too deeply" in refusal(
        b'{"schema_version": 2, "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    )


def test_a_file_cut_short_anywhere_is_refused(refusal):
    content = encode_run(make_run(make_case("test_a", 1.0))).rstrip()
    for end in range(0, len(content), 7):
        assert refusal(content[:end])
    assert "cut short" in refusal(content[:-1])


def test_a_message_stays_one_line_whatever_the_file_holds(refusal, document):
    document["schema_version"] = "x\n\x1b[31m\u2028" + "y" * 5000
    assert "\x1b" not in refusal(document)
    assert len(refusal(document)) < 1000


def test_a_file_that_cannot_be_opened_is_told(tmp_path):
    for path in (tmp_path / "none.json", tmp_path, Path("a\0b")):
        with pytest.raises(RunFileError, match="cannot be read"):
            read_run(path)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


def read_or_refuse(content):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.json"
        path.write_bytes(content)
        try:
            return read_run(path)
        except ResultsError as refused:
            return str(refused)


@given(st.binary(max_size=200))
def test_whatever_bytes_come_the_answer_is_one_line(content):
    assert len(read_or_refuse(content).splitlines()) == 1


@settings(max_examples=150)
@given(data=st.data())
def test_whatever_a_field_is_replaced_by_the_answer_is_a_run_or_one_line(data):
    document = json.loads(encode_run(full_run()))
    holder = data.draw(
        st.sampled_from(
            [
                document,
                document["machine"],
                document["cases"][0],
                document["cases"][0]["rounds"][0],
                document["cases"][0]["windows"][0],
                document["cases"][0]["result"],
                document["meters"][0],
            ]
        )
    )
    holder[data.draw(st.sampled_from(sorted(holder)))] = data.draw(json_values)
    answer = read_or_refuse(json.dumps(document).encode())
    if isinstance(answer, str):
        assert len(answer.splitlines()) == 1
    else:
        assert read_or_refuse(encode_run(answer)) == answer


@settings(max_examples=150)
@given(st.integers(0, 2000), st.binary(min_size=1, max_size=4))
def test_whatever_bytes_are_damaged_the_answer_is_a_run_or_one_line(place, damage):
    content = bytearray(encode_run(full_run()))
    content[place : place + len(damage)] = damage
    answer = read_or_refuse(bytes(content))
    assert not isinstance(answer, str) or len(answer.splitlines()) == 1


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"total_j": math.nan}, "$.cases[0].total_j"),
        ({"duration_s": math.inf}, "$.cases[0].duration_s"),
        ({"facility_j": -1.0}, "$.cases[0].facility_j"),
        ({"metrics": {"loss": math.nan}}, "$.cases[0].metrics.loss"),
        ({"metrics": {"tensor": object()}}, "$.cases[0]"),
        ({"flags": ["\ud800"]}, "$.cases[0]"),
    ],
)
def test_nothing_is_written_that_a_reader_would_refuse(tmp_path, fields, place):
    path = tmp_path / "run.json"
    write_run(full_run(), path)
    with pytest.raises(WriteError) as refused:
        write_run(make_run(make_case("test_a", 1.0, **fields)), path)
    assert f"`{place}`" in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1
    assert read_run(path) == full_run()


def test_a_taken_name_is_kept_where_overwriting_is_not_allowed(tmp_path):
    path = tmp_path / "run.json"
    write_run(full_run(), path, overwrite=False)
    with pytest.raises(WriteError, match="is there already"):
        write_run(make_run(), path, overwrite=False)
    assert read_run(path) == full_run()
    assert os.listdir(tmp_path) == ["run.json"]


def test_a_link_is_followed(tmp_path):
    (tmp_path / "link.json").symlink_to(tmp_path / "real.json")
    write_run(full_run(), tmp_path / "link.json")
    assert (tmp_path / "link.json").is_symlink()
    assert read_run(tmp_path / "real.json") == full_run()


def test_a_new_file_has_the_rights_of_any_new_file(tmp_path):
    (tmp_path / "other").touch()
    write_run(full_run(), tmp_path / "run.json")
    assert (tmp_path / "run.json").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").touch()
    places = ["file/run.json", ".", "a\0b", "x" * 300, "/proc/run.json"]
    for path in (tmp_path / place for place in places):
        with pytest.raises(WriteError, match="cannot be written"):
            write_run(full_run(), path)


WRITE_WITH_A_FULL_DISK = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from pytest_energybench.results.errors import WriteError
from pytest_energybench.results.run_file import read_run, write_run
run = read_run(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
try:
    write_run(run, sys.argv[1])
except WriteError as error:
    print(error)
"""


def test_when_the_disk_is_full_what_was_there_stays_and_nothing_is_left(tmp_path):
    path = tmp_path / "run.json"
    write_run(full_run(), path)
    before = path.read_bytes()
    done = subprocess.run(
        [sys.executable, "-c", WRITE_WITH_A_FULL_DISK, path],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith(f"{path}: cannot be written: ")
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["run.json"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes anywhere")
def test_a_read_only_folder_is_told(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(WriteError, match="Permission denied"):
        write_run(full_run(), tmp_path / "run.json")


def test_the_structs_of_a_run_cannot_be_changed():
    with pytest.raises(AttributeError):
        full_run().created = "now"
    assert msgspec.structs.replace(full_run(), created="now").created == "now"
