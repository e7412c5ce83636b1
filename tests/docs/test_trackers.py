"""The recipes for experiment trackers, run against the real packages with stores on this disk."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.docs.pages import ROOT, blocks

PAGE = ROOT / "docs" / "how-to" / "export-to-other-tools.md"
TEST = """
def test_work(energy):
    joules = [0.0]
    with energy.measure(meters=[lambda: joules[0]]):
        joules[0] += 2.0
    energy.record(accuracy=0.5)
"""


def stored_by_mlflow(folder: Path) -> dict[str, Any]:
    from mlflow.tracking import MlflowClient

    (run,) = MlflowClient(tracking_uri=f"file://{folder}/store").search_runs(["0"])
    assert run.info.run_name == "test_work"
    return dict(run.data.metrics)


def stored_by_wandb(folder: Path) -> dict[str, Any]:
    from wandb.proto import wandb_internal_pb2

    (path,) = folder.glob("wandb/offline-run-*/*.wandb")
    found = {}
    for data in logged(path.read_bytes()):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        for item in record.history.item:
            found[item.key or ".".join(item.nested_key)] = float(item.value_json)
    return found


def logged(content: bytes) -> Iterator[bytes]:
    """Records of a log in LevelDB's format, 7 bytes after the file's begin: blocks of 32 KiB that
    hold checksum, length, type (1 whole, 2 first, 3 middle, 4 last) and data."""
    place, parts = 7, b""
    while place + 7 <= len(content):
        if 2**15 - place % 2**15 < 7:
            place += 2**15 - place % 2**15
            continue
        length, kind = struct.unpack_from("<HB", content, place + 4)
        parts += content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):
            yield parts
            parts = b""


def stored_by_tensorboard(folder: Path) -> dict[str, Any]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / "runs" / "test_work"))
    events.Reload()
    return {tag: events.Scalars(tag)[0].value for tag in events.Tags()["scalars"]}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tracker", "stored"),
    [
        ("mlflow", stored_by_mlflow),
        ("wandb", stored_by_wandb),
        ("tensorboard", stored_by_tensorboard),
    ],
)
def test_a_recipe_logs_a_cases_numbers(
    tracker: str,
    stored: Callable[[Path], dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip(tracker)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    recipe = next(
        block.text
        for block in blocks(PAGE.read_text("utf-8"))
        if block.value == f"with_{tracker}.py"
    )
    (tmp_path / "conftest.py").write_text(recipe)
    (tmp_path / "test_work.py").write_text(TEST)
    env = {
        **os.environ,
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTEST_PLUGINS": "pytest_energybench.plugin",
        "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]),
        "ENERGYBENCH_LOCK_DIR": str(tmp_path / "locks"),
        "MLFLOW_TRACKING_URI": f"file://{tmp_path}/store",
        "WANDB_MODE": "offline",
        "WANDB_DIR": str(tmp_path),
        "WANDB_SILENT": "true",
    }
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "test_work.py"],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = stored(tmp_path)
    assert found["energy_j"] == pytest.approx(2.0)
    assert found["accuracy"] == 0.5
    assert "duration_s" in found
