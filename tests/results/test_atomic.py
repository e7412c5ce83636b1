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


def test_a_very_long_name_does_not_make_the_temporary_one_too_long(tmp_path):
    path = tmp_path / ("x" * 250)
    write_atomically(path, b"1", overwrite=True)
    assert path.read_bytes() == b"1"
