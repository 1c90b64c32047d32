"""Returns the flags of a run that the command for one case needs, too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: The flags that are copied into the command that repeats one case.
REPEATED = (
    "time",
    "env",
    "claim",
    "jobs",
    "deadline",
    "resume",
    "smallest_timeout",
    "downloads",
    "callbacks",
    "uploads",
    "effects",
    "faces",
    "pattern",
    "exit_unknown",
    "seed",
    "cwd",
    "link",
    "case_timeout",
    "declaration_file",
)


def repeated_flags(options: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the flags in `options`, the options of this run, that the command for one case needs as well."""
    found: list[str] = []
    for name in REPEATED:
        value = options.get(name)
        flag = "--" + name.removesuffix("_file").replace("_", "-")
        if isinstance(value, Mapping):
            for variable, template in value.items():
                found += [flag, f"{variable}={template}"]
        elif isinstance(value, tuple):
            found += [word for one in value for word in (flag, str(one))]
        elif isinstance(value, bool):
            found += [flag] if value else [f"--no-{flag[2:]}"]
        elif value not in (None, "auto", 0) and not (name == "cwd" and value == "copy"):
            found += [flag, f"{value:g}" if isinstance(value, float) else str(value)]
    if options["vary"] is not None:
        found += ["--vary", str(options["vary"])]
    if options["case_file"]:
        found += ["--case-file", str(options["case_file"])]
    return tuple(found)
