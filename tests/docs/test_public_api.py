"""What others hold on to changes only when somebody means it."""

from __future__ import annotations

from collections.abc import Callable

from tests.docs.api import public_interface


def test_the_public_interface_is_the_one_kept(golden: Callable[[str, str], None]) -> None:
    """A line that goes or changes breaks somebody's suite: say so in CHANGELOG.md."""
    golden("public-api.txt", "\n".join(public_interface()))
