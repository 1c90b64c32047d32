"""What MkDocs does beside rendering: files of the repository that pages link to become part of the site, and so does Mermaid."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files, InclusionLevel

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"(\]\()([^)#\s]+)(#[^)\s]*)?(\))")

#: Made by `make site` from the npm package; without it the diagrams are shown as text, and nothing is fetched from elsewhere.
MERMAID = ROOT / "build" / "mermaid.min.js"


def on_config(config: Any) -> Any:
    """Let the pages draw their diagrams with Mermaid, if it is there."""
    config.extra_javascript = [*config.extra_javascript, *(["assets/mermaid.min.js"] if MERMAID.is_file() else [])]
    return config


def on_files(files: Files, *, config: Any) -> Files:
    """Add what pages link to outside of docs/."""
    if MERMAID.is_file():
        files.append(File.generated(config, "assets/mermaid.min.js", abs_src_path=str(MERMAID)))
    files.append(File.generated(config, "llms.txt", abs_src_path=str(ROOT / "llms.txt")))
    todo = list(files.documentation_pages())
    while todo:
        page = todo.pop()
        for target in outside(page.src_uri, page.content_string):
            name = f"source/{target}"
            if files.get_file_from_path(name) is None:
                path = str(ROOT / target)
                file = File.generated(config, name, abs_src_path=path, inclusion=InclusionLevel.NOT_IN_NAV)
                files.append(file)
                todo += [file] if file.is_documentation_page() else []
    return files


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Files) -> str:  # noqa: ARG001 - the hook's signature
    """Let the links to files outside of docs/ lead to their copies in the site."""
    here = posixpath.dirname(page.file.src_uri)

    def moved(match: re.Match[str]) -> str:
        target = resolved(page.file.src_uri, match[2])
        if target is None or not (ROOT / target).is_file():
            return match[0]
        anchor = "" if match[3] is None else match[3]
        return f"{match[1]}{posixpath.relpath(f'source/{target}', here or '.')}{anchor}{match[4]}"

    return LINK.sub(moved, markdown)


def outside(page: str, markdown: str) -> set[str]:
    """The files of the repository outside of docs/ that a page links to."""
    targets = {resolved(page, match[2]) for match in LINK.finditer(markdown)}
    return {target for target in targets if target is not None and (ROOT / target).is_file()}


def resolved(page: str, link: str) -> str | None:
    """The path in the repository of a link that leaves docs/; None for every other link."""
    if "://" in link or link.startswith(("/", "mailto:")):
        return None
    folder = posixpath.dirname(page)
    is_copy = folder == "source" or folder.startswith("source/")
    base = folder.removeprefix("source").removeprefix("/") if is_copy else posixpath.join("docs", folder)
    path = posixpath.normpath(posixpath.join(base, link))
    if path.startswith("docs/"):
        return None
    return None if path.startswith("..") else path
