"""``payouts providers --conformance``: run a provider's conformance suite under pytest."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import typer

from payments_core.domain.errors import SettingsError
from payments_core.plugins.manager import Plugins

__all__ = ["run_suite"]

NEEDED = ("pytest", "starlette", "uvicorn")


def run_suite(name: str, *, as_json: bool) -> int:
    """Run the conformance suite of one provider in a process of its own; return pytest's exit code.

    Raises:
        SettingsError: The provider has no conformance profile, or a library is not installed.

    """
    if as_json:
        raise typer.BadParameter("--conformance prints pytest's output, which is not JSON. Leave out --json.")
    spec = Plugins().provider(name)
    if not spec.conformance:
        raise SettingsError(
            f"Provider {spec.name} has no conformance profile, so its promises cannot be tested.",
            hint="Its author can set ProviderSpec.conformance; see the page how-to/test-a-provider.",
        )
    if missing := [needed for needed in NEEDED if find_spec(needed) is None]:
        raise SettingsError(
            f"The conformance suite needs {' and '.join(missing)}, which is not installed.",
            hint="Install pytest and the server extra: pip install pytest 'payments-core[server]'.",
        )
    module, _, profile = spec.conformance.partition(":")
    with TemporaryDirectory() as folder:
        settings, test = Path(folder, "pytest.ini"), Path(folder, f"test_{name}.py")
        settings.write_text("[pytest]\n", "utf-8")
        test.write_text(
            f"import {module} as provider\n\n\nclass TestProvider(provider.{profile}):\n    pass\n", "utf-8"
        )
        pytest = [sys.executable, "-P", "-m", "pytest", "-rs", "-p", "no:cacheprovider"]
        return subprocess.run([*pytest, "-c", settings, test], check=False).returncode  # noqa: S603 - this interpreter
