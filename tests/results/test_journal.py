"""The journal: what was said to be on the disk is there, whatever happened to the process."""

import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_energybench.results.errors import ResultsError, RunFileError, WriteError
from pytest_energybench.results.journal import Journal, JournalReader, read_journal
from pytest_energybench.results.model import Host
from tests.results.samples import MACHINE, full_run, make_case, make_run, resumed

CASES = [make_case(f"test_{number}", 1.0 + number) for number in range(4)]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "deep" / "journal.jsonl"


@pytest.fixture
def written(path):
    """The path of a journal of four cases."""
    with Journal.create(path, make_run()) as journal:
        for case in CASES:
            journal.append(case)
    return path


def test_a_journal_holds_the_hosts_that_cases_ran_on(path):
    host = Host(name="host 1", machine=MACHINE)
    case = make_case("a", 1.0, host="host 1")
    with Journal.create(path, make_run()) as journal:
        journal.append_host(host)
        journal.append(case)
    assert read_journal(path).run == make_run(case, hosts=[host])


def test_a_line_that_is_neither_case_nor_host_is_refused(written):
    with written.open("a") as journal:
        journal.write('{"thing": {}}\n')
    with pytest.raises(RunFileError, match=r"line 6: .*case"):
        read_journal(written)


def test_a_journal_holds_the_session_and_every_finished_case(written):
    content = read_journal(written)
    assert content.run == make_run(*CASES)
    assert not content.torn


def test_it_is_one_json_object_a_line(written):
    lines = [json.loads(line) for line in written.read_text(encoding="utf-8").splitlines()]
    assert [sorted(line) for line in lines] == [["journal", "run"], *[["case"]] * 4]


def test_the_heads_own_cases_are_not_written(path):
    Journal.create(path, full_run()).close()
    assert read_journal(path).run.cases == []
    assert read_journal(path).run.commit == full_run().commit


def test_a_case_that_stands_twice_counts_as_it_stands_last(written):
    later = make_case("test_0", 99.0)
    journal, _ = resumed(written, make_run())
    with journal:
        journal.append(later)
    assert read_journal(written).run.cases == [*CASES[1:], later]


@pytest.mark.parametrize("cut", [1, 2, 40, 300])
def test_a_torn_last_line_is_left_out_and_said(written, cut):
    written.write_bytes(written.read_bytes()[:-cut])
    content = read_journal(written)
    assert content.torn
    assert content.run.cases == CASES[:-1]


@pytest.mark.parametrize("cut", [0, 1, 40])
def test_a_resumed_journal_goes_on_after_the_last_whole_line(written, cut):
    whole = written.read_bytes()
    written.write_bytes(whole[: len(whole) - cut])
    journal, run = resumed(written, make_run())
    with journal:
        assert run.cases == (CASES[:-1] if cut else CASES)
        journal.append(CASES[-1])
    again = read_journal(written)
    assert again.run.cases == CASES
    assert not again.torn


@pytest.mark.parametrize("length", [0, 1, 10, 30])
def test_a_journal_torn_in_its_first_line_is_started_anew(written, length):
    written.write_bytes(written.read_bytes()[:length])
    journal, run = resumed(written, make_run(settings={"preset": "paper"}))
    with journal:
        assert run.cases == []
        journal.append(CASES[0])
    again = read_journal(written).run
    assert (again.cases, again.settings) == ([CASES[0]], {"preset": "paper"})


@pytest.mark.parametrize(
    ("number", "damage"),
    [
        (1, b"nonsense"),
        (1, b'{"journal": 2, "run": {"schema_version": 2}}'),
        (1, b'{"journal": 1, "run": {"schema_version": 7}}'),
        (1, b'{"journal": true, "run": {"schema_version": 2}}'),
        (2, b""),
        (3, b'{"case": {"nodeid": "a"}}'),
        (3, b'{"case": {"nodeid": "a", "name": "a", "total_j": -1}}'),
        (3, b'{"case": {"nodeid": "a", "nodeid": "b", "name": "a"}}'),
        (4, b"\0\0\0\0"),
        (5, b"\xff"),
    ],
)
def test_a_damaged_line_is_reported_with_its_number_and_nothing_is_changed(written, number, damage):
    lines = written.read_bytes().split(b"\n")
    lines[number - 1] = damage
    damaged = b"\n".join(lines)
    written.write_bytes(damaged)
    for read in (read_journal, lambda path: resumed(path, make_run())):
        with pytest.raises(RunFileError) as refused:
            read(written)
        assert str(refused.value).startswith(f"{written}: line {number}: ")
        assert len(str(refused.value).splitlines()) == 1
    assert written.read_bytes() == damaged


@pytest.mark.parametrize("content", [b"my notes", b"my notes\nmore\n", b'{"schema_version": 2}'])
def test_another_file_is_not_taken_for_a_journal(tmp_path, content):
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(RunFileError, match="line 1"):
        resumed(path, make_run())
    assert path.read_bytes() == content


def test_a_journal_that_is_there_is_not_started_over(written):
    before = written.read_bytes()
    with pytest.raises(WriteError, match="there already"):
        Journal.create(written, make_run())
    assert written.read_bytes() == before


def test_only_one_process_writes_a_journal(path):
    with Journal.create(path, make_run()), pytest.raises(WriteError, match="another process"):
        resumed(path, make_run())
    resumed(path, make_run())[0].close()


def test_places_that_cannot_be_written_or_read_are_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match="cannot be written"):
        Journal.create(tmp_path / "file" / "journal", make_run())
    with pytest.raises(RunFileError, match="cannot be read"):
        read_journal(tmp_path / "none")


def test_a_figure_that_no_reader_takes_is_not_written(written):
    before = written.read_bytes()
    journal, _ = resumed(written, make_run())
    with journal, pytest.raises(WriteError, match=r"\$\.case\.metrics\.loss"):
        journal.append(make_case("test_a", 1.0, metrics={"loss": float("nan")}))
    assert written.read_bytes() == before


ON_A_FULL_DISK = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from pytest_energybench.results.errors import WriteError
from tests.results.samples import make_case, make_run, resumed
journal, run = resumed(sys.argv[1], make_run())
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
try:
    journal.append(make_case("test_more", 1.0))
except WriteError as error:
    print(error)
"""


def test_when_the_disk_is_full_no_half_line_stays(written):
    before = written.read_bytes()
    limit = str(len(before) + 20)
    done = subprocess.run(
        [sys.executable, "-c", ON_A_FULL_DISK, written, limit],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "cannot be written: File too large" in done.stdout
    assert written.read_bytes() == before


APPEND_UNTIL_KILLED = """
import sys
from pytest_energybench.results.journal import Journal
from tests.results.samples import make_case, make_run, resumed
number = int(sys.argv[2])
if number:
    journal, run = resumed(sys.argv[1], make_run())
else:
    journal = Journal.create(sys.argv[1], make_run())
while True:
    journal.append(make_case(f"test_{number}", 1.0, flags=["x" * 20000]))
    print(number, flush=True)
    number += 1
"""


def test_killed_at_any_moment_at_most_the_case_in_flight_is_lost(path):
    choose = random.Random(1)
    acknowledged = 0
    for _ in range(6):
        process = subprocess.Popen(
            [sys.executable, "-c", APPEND_UNTIL_KILLED, path, str(acknowledged)],
            stdout=subprocess.PIPE,
            text=True,
        )
        first = process.stdout.readline()
        time.sleep(choose.uniform(0, 0.15))
        process.send_signal(signal.SIGKILL)
        said = (first + process.stdout.read()).split()
        process.wait()
        assert process.returncode == -signal.SIGKILL
        found = len(read_journal(path).run.cases)
        assert found - (int(said[-1]) + 1) in (0, 1)
        acknowledged = found
    names = [case.name for case in read_journal(path).run.cases]
    assert names == [f"test_{number}" for number in range(acknowledged)]


def test_who_follows_a_journal_reads_each_whole_line_once(path):
    reader = JournalReader(path)
    assert reader.further() == []  # there is none yet
    with Journal.create(path, make_run()) as journal:
        journal.append_host(Host(name="host 1", machine=MACHINE))
        journal.append(CASES[0])
        assert reader.further() == [CASES[0]]
        journal.append(CASES[1])
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    assert reader.further() == []
    path.write_bytes(whole + b"{}\n")
    with pytest.raises(RunFileError, match="line 5: "):
        reader.further()
    path.write_bytes(whole)
    assert reader.further() == [CASES[1]]
    assert reader.further() == []


def read_or_message(content):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal"
        path.write_bytes(content)
        try:
            return read_journal(path)
        except ResultsError as refused:
            return str(refused)


@given(st.binary(max_size=200))
def test_whatever_bytes_come_the_answer_is_one_line(content):
    assert len(read_or_message(content).splitlines()) == 1


@pytest.fixture(scope="module")
def journal_bytes(tmp_path_factory):
    path = tmp_path_factory.mktemp("journal") / "journal"
    with Journal.create(path, make_run()) as journal:
        journal.append(CASES[0])
        journal.append(CASES[1])
    return path.read_bytes()


@settings(max_examples=150)
@given(data=st.data())
def test_whatever_bytes_are_damaged_the_answer_is_a_run_or_one_line(journal_bytes, data):
    content = bytearray(journal_bytes)
    place = data.draw(st.integers(0, len(content)))
    content[place : place + data.draw(st.integers(0, 5))] = data.draw(st.binary(max_size=5))
    answer = read_or_message(bytes(content))
    assert not isinstance(answer, str) or len(answer.splitlines()) == 1
