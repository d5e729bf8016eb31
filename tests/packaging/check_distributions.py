"""Check built distributions: `python check_distributions.py DIST PROJECT...`; run by `nox -s package`."""

from __future__ import annotations

import re
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

from packaging.metadata import Metadata
from packaging.requirements import Requirement


def check(dist: Path, project: Path) -> list[str]:
    """Return what is wrong with the wheel and the sdist of one project; an empty list when nothing is."""
    declared = tomllib.loads((project / "pyproject.toml").read_text("utf-8"))["project"]
    stem = f"{declared['name'].replace('-', '_')}-{declared['version']}"
    package = next(marker.parent for marker in project.glob("payments_*/py.typed"))
    with zipfile.ZipFile(dist / f"{stem}-py3-none-any.whl") as wheel:
        in_wheel = set(wheel.namelist())
        metadata = Metadata.from_email(wheel.read(f"{stem}.dist-info/METADATA"), validate=True)
    with tarfile.open(dist / f"{stem}.tar.gz") as sdist:
        in_sdist = {name.removeprefix(f"{stem}/") for name in sdist.getnames()}

    sources = {str(file.relative_to(project)) for file in package.rglob("*") if is_source(file)}
    licence = f"{stem}.dist-info/licenses/LICENSE"
    extra = sorted(name for name in in_wheel if not re.match(rf"{package.name}/|{re.escape(stem)}\.dist-info/", name))
    return [
        *(f"wheel: {name} is missing" for name in sorted({*sources, licence} - in_wheel)),
        *(f"wheel: {name} does not belong there" for name in extra),
        *(f"sdist: {name} is missing" for name in sorted({*sources, "LICENSE", "README.md"} - in_sdist)),
        *(f"metadata: {fault}" for fault in metadata_faults(metadata, declared)),
    ]


def is_source(file: Path) -> bool:
    """Tell the files a wheel must carry from those Python leaves behind."""
    return file.is_file() and "__pycache__" not in file.parts


def metadata_faults(metadata: Metadata, declared: dict[str, object]) -> list[str]:
    """Compare what the wheel says about itself with what we mean it to say."""
    pythons = [line for line in metadata.classifiers or [] if line.startswith("Programming Language :: Python :: 3.")]
    addressed = [str(item) for item in metadata.requires_dist or [] if Requirement(str(item)).url]
    expectations = {
        "name": metadata.name == declared["name"],
        "summary": bool(metadata.summary),
        "licence": metadata.license_expression == "MIT" and metadata.license_files == ["LICENSE"],
        "long description": metadata.description_content_type == "text/markdown" and bool(metadata.description),
        "oldest Python": str(metadata.requires_python) == ">=3.11" and pythons[:1] == [pythons_floor()],
        "a requirement with an address": not addressed,
    }
    return [name for name, holds in expectations.items() if not holds]


def pythons_floor() -> str:
    """Give the classifier of the oldest Python we support."""
    return "Programming Language :: Python :: 3.11"


if __name__ == "__main__":
    dist = Path(sys.argv[1])
    faults = [f"{Path(path).name}: {fault}" for path in sys.argv[2:] for fault in check(dist, Path(path))]
    print("\n".join(faults) or f"{len(sys.argv) - 2} distribution(s) carry what they should.")
    sys.exit(bool(faults))
