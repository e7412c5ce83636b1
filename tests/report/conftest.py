"""What the report's tests share: sample runs, golden files, one browser."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from pytest_energybench.report.attachments import Headline, Table
from pytest_energybench.report.build import run_view
from pytest_energybench.report.html import write_html
from pytest_energybench.results.model import Run
from tests.report import samples
from tests.report.reader import Reader

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
    chrome.set_script_timeout(110)  # a large page on a busy machine; selenium waits no longer
    yield chrome
    chrome.quit()


@pytest.fixture(scope="session")
def pages(
    tmp_path_factory: pytest.TempPathFactory, paper: Run, ci: Run, big: Run
) -> dict[str, str]:
    """Address of the page of each sample."""
    folder = tmp_path_factory.mktemp("pages")
    runs = {"paper": paper, "ci": ci, "big": big}
    runs |= {"empty": samples.empty_run(), "wordy": samples.wordy_run()}
    runs |= {"passing": samples.passing_run(), "both": samples.both_run()}
    for name, run in runs.items():
        write_html(run_view(run), folder / f"{name}.html")
    figure = folder / "figure_4_energy.svg"
    figure.write_text(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 600 300' width='600' height='300'>"
        "<rect width='600' height='300' fill='#fff'/></svg>"
    )
    heads = ["model", *(f"a column of figures {number}" for number in range(14))]
    wide = Table("Table 6", heads, [["a model of a long name", *["123.4 %"] * 14]] * 12)
    found = Headline("It took 0.28 to 0.68 of the time.", ["Digits."], "figure_4_energy", "Claims")
    claims = Table("Claims", ["claim", "verdict"], [["It takes less.", "reproduced"]], prose=True)
    runs["finding"] = paper
    write_html(run_view(paper), folder / "finding.html", [found, figure, claims, wide])
    return {name: (folder / f"{name}.html").as_uri() for name in runs}


@pytest.fixture
def reader(browser: Any) -> Iterator[Reader]:
    """Someone who opens pages, and leaves the browser as it was."""
    yield Reader(browser)
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
