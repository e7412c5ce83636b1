"""What the site needs so that the pages stay as the repository shows them: a link that leads out of
docs/ goes to the repository, and a picture from outside comes along."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
LINK = re.compile(r"(!?)(\[[^\]]*\]\()((?:\.\./)+)([^)#\s]*)(#[^)\s]*)?\)")


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Files) -> str:
    folder = PurePosixPath("docs", page.file.src_uri).parent

    def outwards(found: re.Match[str]) -> str:
        is_picture, text, up, rest, anchor = found.groups(default="")
        target = (ROOT / folder / up / rest).resolve()
        if not target.exists():
            raise PluginError(f"{page.file.src_uri}: {up}{rest} leads nowhere")
        path = target.relative_to(ROOT).as_posix()
        if path.startswith("docs/") and files.get_file_from_path(path.removeprefix("docs/")):
            return found[0]
        if is_picture:
            if files.get_file_from_path(path) is None:
                files.append(File.generated(config, path, abs_src_path=str(target)))
            return f"!{text}{'../' * (len(folder.parts) - 1)}{path})"
        kind = "tree" if target.is_dir() else "blob"
        return f"{text}{config.repo_url}/{kind}/main/{path}{anchor})"

    return LINK.sub(outwards, markdown)
