"""What the report's tests share: sample runs, golden files, one browser."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_energybench.results.model import Run
from tests.report import samples

UPDATE = "ENERGYBENCH_UPDATE_GOLDEN"
_GOLDEN = Path(__file__).with_name("golden")
_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def paper() -> Run:
    return samples.paper_run()


@pytest.fixture(scope="session")
def ci() -> Run:
    return samples.ci_run()


@pytest.fixture(scope="session")
def big() -> Run:
    return samples.big_run()


@pytest.fixture
def golden() -> Callable[[str, str], None]:
    """Compare with a kept file; `ENERGYBENCH_UPDATE_GOLDEN=1 pytest tests/report` renews it."""

    def check(name: str, text: str) -> None:
        path = _GOLDEN / name
        if os.environ.get(UPDATE):
            path.write_text(text, "utf-8")
        assert text == path.read_text("utf-8"), f"{name} differs; if meant, set {UPDATE}=1"

    return check


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One headless Chromium for all tests that look at a page."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("no Chromium with its driver on this machine")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*_FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    chrome = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield chrome
    chrome.quit()
