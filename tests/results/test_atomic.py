"""Files that are there whole or not at all."""

import os
import random
import signal
import subprocess
import sys
import threading
import time

import pytest

from pytest_energybench.results.atomic import write_atomically
from pytest_energybench.results.errors import WriteError

OVERWRITE_UNTIL_KILLED = """
import sys
from pytest_energybench.results.atomic import write_atomically
number = 0
while True:
    number += 1
    write_atomically(sys.argv[1], (b"%d" % (number % 10)) * 300_000, overwrite=True)
    print(number, flush=True)
"""


def test_killed_at_any_moment_the_old_or_the_new_content_is_there_whole(tmp_path):
    path = tmp_path / "file"
    choose = random.Random(2)
    for _ in range(6):
        process = subprocess.Popen(
            [sys.executable, "-c", OVERWRITE_UNTIL_KILLED, path], stdout=subprocess.PIPE, text=True
        )
        process.stdout.readline()
        time.sleep(choose.uniform(0, 0.05))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        content = path.read_bytes()
        assert len(content) == 300_000
        assert len(set(content)) == 1
    write_atomically(tmp_path / "another", b"", overwrite=True)
    assert sorted(os.listdir(tmp_path)) == ["another", "file"]


def test_what_was_left_of_a_killed_write_goes_and_what_is_being_written_stays(tmp_path):
    begun = "import os, sys, time; from pathlib import Path;"
    begun += "from pytest_energybench.results.atomic import _create_locked;"
    begun += "print(_create_locked(Path(sys.argv[1]))[0].name, flush=True); time.sleep(600)"
    writers = [
        subprocess.Popen([sys.executable, "-c", begun, tmp_path], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    killed, living = (each.stdout.readline().strip() for each in writers)
    writers[0].kill()
    writers[0].communicate()
    strangers = {".file.tmp", "energybench.tmp", ".file.12.00ff00ff.tmp"}
    for name in strangers:
        (tmp_path / name).touch()
    write_atomically(tmp_path / "file", b"1", overwrite=True)
    assert set(os.listdir(tmp_path)) == {"file", living, *strangers}
    assert killed != living
    writers[1].kill()
    writers[1].communicate()
    write_atomically(tmp_path / "another", b"1", overwrite=False)
    assert set(os.listdir(tmp_path)) == {"file", "another", *strangers}


def test_many_processes_write_in_one_folder_and_none_takes_another_s_file_away(tmp_path):
    often = "import sys; from pytest_energybench.results.atomic import write_atomically;"
    often += "[write_atomically(sys.argv[1], b'1', overwrite=True) for _ in range(200)]"
    writers = [
        subprocess.Popen([sys.executable, "-c", often, tmp_path / f"file{number}"])
        for number in range(4)
    ]
    assert [each.wait() for each in writers] == [0] * 4
    assert sorted(os.listdir(tmp_path)) == [f"file{number}" for number in range(4)]


def test_of_many_that_want_a_free_name_one_gets_it(tmp_path):
    path = tmp_path / "file"
    refused = []

    def write(number):
        try:
            write_atomically(path, b"%d" % number, overwrite=False)
        except WriteError:
            refused.append(number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 7
    assert int(path.read_bytes()) not in refused
    assert os.listdir(tmp_path) == ["file"]


def test_a_folder_that_is_a_file_is_told_and_left(tmp_path):
    (tmp_path / "file").write_text("kept")
    with pytest.raises(WriteError, match="cannot be written"):
        write_atomically(tmp_path / "file" / "below", b"", overwrite=True)
    assert (tmp_path / "file").read_text() == "kept"


@pytest.mark.parametrize("name", ["x" * 255, "é" * 127])
def test_a_very_long_name_does_not_make_the_temporary_one_too_long(tmp_path, name):
    path = tmp_path / name
    write_atomically(path, b"1", overwrite=True)
    assert path.read_bytes() == b"1"
