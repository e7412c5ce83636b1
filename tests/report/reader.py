"""A page in Chromium, and what a reader does with it."""

from __future__ import annotations

import time

UNFOLD = (
    "document.querySelectorAll('details.part').forEach(d => d.open = true);"
    "[...document.querySelectorAll('#table details')].slice(0, arguments[0])"
    ".forEach(d => d.open = true)"
)
"""All parts of the page, and the first cases."""


class Reader:
    """What a reader does with a page, in the words of this file's tests."""

    def __init__(self, chrome):
        self.chrome = chrome
        self.run = chrome.execute_script

    def open(self, url, *, width=1200):
        self.cdp(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=False,
        )
        self.chrome.get("about:blank")
        self.chrome.get_log("browser")
        self.chrome.get_log("performance")
        self.chrome.get(url)

    def cdp(self, command, **arguments):
        return self.chrome.execute_cdp_cmd(command, arguments)

    def shown(self):
        """Names of the cases in the table, from top to bottom."""
        return self.run(
            "return [...document.querySelectorAll('#table > [data-v]')].filter(b => !b.hidden)"
            ".map(b => b.rows[0].cells[0].textContent)"
        )

    def click(self, selector):
        self.run("document.querySelector(arguments[0]).click()", selector)

    def filter(self, text):
        self.run(
            "const f = document.getElementById('filter'); f.value = arguments[0];"
            "f.dispatchEvent(new Event('input'))",
            text,
        )
        time.sleep(0.15)
