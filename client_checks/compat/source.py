"""Reads a version of a contract: a folder, or a folder at a git revision."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import yaml

from swapmock.contracts import COMMON, read_yaml
from swapmock.contracts.common import merge
from swapmock.contracts.derive import complete


class Unreadable(Exception):
    """There is no such version. The text is one line for the user."""


#: The files that are read as YAML or JSON, whose values are compared. Other files are compared as a whole.
SUFFIXES = (".yaml", ".yml", ".json")


@dataclass(frozen=True)
class Version:
    """The parsed files of a contract's folder, without types: an old version may lack members that the current one
    has."""

    name: str
    document: Mapping[str, Any]
    behaviour: Mapping[str, Any]
    tables: Mapping[str, Any]
    texts: Mapping[str, str] = field(default_factory=dict)
    others: Mapping[str, str] = field(default_factory=dict)
    #: The references that were followed: what a rule has looked at.
    followed: set[str] = field(default_factory=set, compare=False)

    def resolve(self, node: Any) -> Any:
        """Return `node`, or the node that its `$ref` points at after all references are followed. Members beside a
        `$ref` override those of its target. The result is empty if a reference leads nowhere."""
        beside: dict[str, Any] = {}
        seen: set[str] = set()
        while isinstance(node, Mapping) and "$ref" in node:
            reference = str(node["$ref"])
            beside = {**{name: value for name, value in node.items() if name != "$ref"}, **beside}
            if reference in seen:
                return beside
            seen.add(reference)
            self.followed.add(reference)
            found = self.at(reference)
            node = {} if found is None else found
        if node is True or node is False:  # a schema that allows anything, or nothing
            node = {} if node else {"not": {}}
        return {**node, **beside} if beside and isinstance(node, Mapping) else node

    def at(self, reference: str) -> Any:
        """Return what a reference points at in the document; None if it leads nowhere or to another file."""
        if not reference.startswith("#/"):
            return None
        found: Any = self.document
        for step in reference.removeprefix("#/").split("/"):
            step = unquote(step).replace("~1", "/").replace("~0", "~")
            if isinstance(found, Mapping):
                found = found.get(step)
            elif isinstance(found, list) and step.isdigit() and int(step) < len(found):
                found = found[int(step)]
            else:
                return None
        return found


def read(version: str, contract: str | None, repository: Path | None = None) -> Version:
    """Return the contract at `version`: a folder, `REVISION:FOLDER`, or a revision of `contracts/CONTRACT`.

    Revisions are those of the git repository in `repository`, by default the current folder. Raises Unreadable."""
    if Path(version).is_dir():
        top = Path(version)
        found = {path.relative_to(top).as_posix(): path for path in sorted(top.rglob("*")) if path.is_file()}
        files = {name: _text(path) for name, path in found.items() if "__pycache__" not in name}
        for path in top.resolve().parent.glob(COMMON.name):
            files.setdefault(COMMON.name, _text(path))
    else:
        files = _at_revision(version, contract, repository or Path())
    return _parsed(version, files)


def _text(path: Path) -> str:
    """Return the content of a file. Of a file that is not text only the YAML files must be readable."""
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError:
        if path.suffix in SUFFIXES:
            raise Unreadable(f"{path} is not text in UTF-8") from None
        return repr(path.read_bytes())
    except OSError as error:
        raise Unreadable(f"cannot read {path}: {error.strerror}") from None


def _at_revision(version: str, contract: str | None, repository: Path) -> dict[str, str]:
    revision, colon, folder = version.partition(":")
    if not colon:
        if contract is None:
            raise Unreadable(f"{version}: no such folder; for a git revision say REVISION:FOLDER, or name --contract")
        folder = f"contracts/{contract}"
    commit = _git(repository, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if commit is None:
        raise Unreadable(f"{version}: neither a folder nor a git revision")
    folder = folder.rstrip("/")
    listed = _git(repository, "ls-tree", "-r", "--name-only", "--full-tree", commit.strip(), f"{folder}/") or ""
    names = listed.splitlines()
    found = {
        name.removeprefix(f"{folder}/"): _git(repository, "show", f"{commit.strip()}:{name}") or "" for name in names
    }
    beside = f"{folder.rpartition('/')[0]}/{COMMON.name}".removeprefix("/")
    shared = _git(repository, "show", f"{commit.strip()}:{beside}")
    if found and shared is not None:
        found[COMMON.name] = shared
    if not found:
        raise Unreadable(f"{version}: no contract in {folder} at that revision")
    return found


def _git(repository: Path, *arguments: str) -> str | None:
    """Return the output of git; None if git fails."""
    try:
        done = subprocess.run(["git", "-C", str(repository), *arguments], capture_output=True, check=False)
    except FileNotFoundError:
        raise Unreadable("a git revision needs git, which is not installed") from None
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None


def line_of(text: str, place: str) -> int:
    """Return the number of a line of `text` to show for a place: the first line that contains its last word; 1 if
    none does."""
    words = [word for word in place.replace("/", " ").split() if word not in ("*", "request", "answer")]
    for word in reversed(words):
        for number, line in enumerate(text.splitlines(), 1):
            if word in line:
                return number
    return 1


def _parsed(name: str, files: Mapping[str, str]) -> Version:
    tables, others = {}, {}
    for file, text in files.items():
        stem, dot, suffix = file.rpartition(".")
        if dot + suffix not in SUFFIXES:
            others[file] = text
            continue
        try:
            tables[stem if suffix == "yaml" else file] = yaml.safe_load(text) or {}
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            mark = getattr(error, "problem_mark", None)
            where = f" at line {mark.line + 1}" if mark is not None else ""
            raise Unreadable(f"{name}: {file} is not YAML{where}") from None
    common = tables.pop(COMMON.stem, None)
    document = tables.pop("openapi", None)
    if not isinstance(document, dict) or not isinstance(document.get("paths"), dict):
        raise Unreadable(f"{name}: no openapi.yaml with paths")
    own = tables.pop("behaviour", {}) or {}
    if not isinstance(own, dict):
        raise Unreadable(f"{name}: behaviour.yaml is not a mapping of tables")
    if common is None and "envelope" in own:
        common = read_yaml(COMMON)  # a copy of one folder, without the shared rows beside it
    try:
        behaviour = own if common is None else merge(common, own)
        completed = complete(document, own.get("catalogue"), tables)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise Unreadable(
            f"{name}: its tables have another form than they should ({type(error).__name__}: {error})"
        ) from None
    return Version(name, completed, behaviour, tables, dict(files), others)
