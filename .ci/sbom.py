"""Print an SBOM of the Python packages that this interpreter has installed: CycloneDX 1.5, as JSON. Only the standard library is used."""

import json
import platform
import sys
from importlib.metadata import Distribution, distributions

#: They install the others and are removed again before the image is finished.
INSTALLERS = {"pip", "setuptools", "wheel"}


def component(package: Distribution) -> dict[str, object]:
    name = package.metadata["Name"].lower().replace("_", "-").replace(".", "-")
    purl = f"pkg:pypi/{name}@{package.version}"
    expression = package.metadata["License-Expression"]
    licence = {"licenses": [{"expression": expression}]} if expression else {}
    return {"type": "library", "bom-ref": purl, "name": name, "version": package.version, "purl": purl, **licence}


def main(about: str) -> None:
    found = {package.metadata["Name"].lower(): package for package in distributions()}
    parts = [component(found[name]) for name in sorted(found) if name not in INSTALLERS]
    (described,) = [part for part in parts if part["name"] == about]
    interpreter = {"type": "platform", "bom-ref": "python", "name": "python", "version": platform.python_version()}
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {**described, "type": "application"}},
        "components": [interpreter, *(part for part in parts if part is not described)],
    }
    json.dump(document, sys.stdout, indent=1)


if __name__ == "__main__":
    main("swapmock")
