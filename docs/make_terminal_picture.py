"""Write docs/terminal.svg: what a terminal shows of a run that passes and of one that fails.

python docs/make_terminal_picture.py            # runs both, in a pseudo-terminal of 80 columns

It needs `rich`, and a system with pseudo-terminals.
"""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

PICTURE = Path(__file__).parent / "terminal.svg"
COLUMNS = 80
COMMAND = "pytest --no-header --tb=short test_sum.py"
SUITE = """\
def test_sum(energy):
    with energy.measure("sum"):
        for _ in range(500):
            sum(range(20_000))
    energy.assert_below("{budget}")
"""
ALONE = {
    "TERM": "xterm",
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    "PYTEST_PLUGINS": "pytest_energybench.plugin",
}
BUDGETS = {"200 J": 0, "0.3 J": 1}
NORMAL = [(72, 79, 88), (255, 123, 114), (63, 185, 80), (210, 153, 34)]
NORMAL += [(88, 166, 255), (188, 140, 255), (57, 197, 207), (177, 186, 196)]
THEME = TerminalTheme((13, 17, 23), (230, 237, 243), NORMAL)
FORMAT = """\
<svg viewBox="0 0 {terminal_width} {terminal_height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, \
"DejaVu Sans Mono", monospace; font-size: {char_height}px; line-height: {line_height}px; \
white-space: pre; }}
{styles}
</style>
<defs>{lines}</defs>
<rect width="{terminal_width}" height="{terminal_height}" rx="8" fill="#0d1117"/>
<g transform="translate(9, 8)">{backgrounds}<g class="{unique_id}-matrix">{matrix}</g></g>
</svg>
"""


def in_terminal(command: list[str], folder: Path) -> tuple[str, int]:
    """What `command` writes to a terminal of 80 columns, and its exit status."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, COLUMNS, 0, 0))
    unwanted = ("NO_COLOR", "COLUMNS", "CI", "GITHUB_ACTIONS")
    environment = {k: v for k, v in os.environ.items() if k not in unwanted} | ALONE
    process = subprocess.Popen(
        command, cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    )
    os.close(theirs)
    written = b""
    try:
        while part := os.read(ours, 65536):
            written += part
    except OSError:  # Linux says EIO where the other end is closed
        pass
    os.close(ours)
    return written.decode(), process.wait()


def screen(written: str) -> str:
    """The lines as they stand: of one that was rewritten, the last state."""
    lines = [line.rstrip("\r") for line in re.sub(r"\x1b\[\d*K", "", written).split("\n")]
    return "\n".join(line.rpartition("\r")[2] for line in lines).strip("\n")


def session(budget: str, expected: int) -> str:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "test_sum.py").write_text(SUITE.format(budget=budget))
        command = [sys.executable, "-m", *COMMAND.split(), "-p", "no:cacheprovider"]
        written, status = in_terminal(command, folder)
    if status != expected:
        raise SystemExit(f"budget {budget}: exit status {status}, expected {expected}\n{written}")
    return f"$ {COMMAND}     # budget: {budget}\n{screen(written)}\n"


def picture(text: str) -> str:
    console = Console(
        record=True,
        width=COLUMNS + 1,
        file=io.StringIO(),
        force_terminal=True,
        color_system="truecolor",
    )
    for line in Text.from_ansi(text).split("\n", allow_blank=True):
        for row in line.divide(range(COLUMNS, len(line), COLUMNS)):
            console.print(row, soft_wrap=True)
    return console.export_svg(title="", theme=THEME, code_format=FORMAT, unique_id="t")


if __name__ == "__main__":
    PICTURE.write_text(picture("\n".join(session(*each) for each in BUDGETS.items())))
    print(f"{PICTURE}: {PICTURE.stat().st_size / 1000:.0f} kB")
