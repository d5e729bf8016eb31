"""The tests test what a user installs: the built wheels, never this checkout."""

from __future__ import annotations

import importlib
import subprocess
import sys
import sysconfig
from importlib.metadata import distribution
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
SUPPORT = CHECKOUT / "tests" / "support"
SITE_PACKAGES = Path(sysconfig.get_path("purelib")).resolve()
NAMES = ["core", *sorted(file.parent.name for file in CHECKOUT.glob("providers/[!_]*/pyproject.toml"))]
PACKAGES = {f"payments-{name.replace('_', '-')}": f"payments_{name}" for name in NAMES}


@pytest.mark.parametrize("package", PACKAGES.values())
def test_package_is_imported_from_site_packages(package: str) -> None:
    found = Path(str(importlib.import_module(package).__file__)).resolve()

    assert found.is_relative_to(SITE_PACKAGES / package), f"{found} is not the installed wheel: run `nox -s tests`"


@pytest.mark.parametrize("package", PACKAGES.values())
def test_subprocess_started_in_the_checkout_imports_the_wheel(package: str) -> None:
    program = f"import {package}; print({package}.__file__)"

    ran = subprocess.run([sys.executable, "-c", program], cwd=CHECKOUT, capture_output=True, text=True, check=True)

    assert Path(ran.stdout.strip()).resolve().is_relative_to(SITE_PACKAGES / package)


def test_import_path_does_not_lead_into_the_checkout() -> None:
    """Otherwise a module that the wheel forgot would be found there; what tests share is no module of ours."""
    inside = [Path(entry).resolve() for entry in sys.path if Path(entry).resolve().is_relative_to(CHECKOUT)]

    assert {entry for entry in inside if not entry.is_relative_to(Path(sys.prefix).resolve())} == {SUPPORT}
    assert not any(path.name.startswith("payments_") for path in SUPPORT.iterdir())


@pytest.mark.parametrize("name", PACKAGES)
def test_distribution_is_no_editable_install(name: str) -> None:
    files = {str(file) for file in distribution(name).files or []}

    assert f"{PACKAGES[name]}/py.typed" in files
