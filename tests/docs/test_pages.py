"""The pages do what they say: their code is run, in order, against a gateway of their own."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from sybil import Example, Sybil
from sybil.parsers.markdown import CodeBlockParser

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    page.relative_to(ROOT).as_posix()
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("providers/*/README.md")]
)
LINK = re.compile(r"\[[^\]]+\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)")
EXITS = re.compile(r"#.*\bexits (\d)")


class Reader:
    """Somebody who follows a page word for word, in an empty folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.gateway: subprocess.Popen[str] | None = None
        self.url = ""

    def shell(self, example: Example) -> None:
        """Run the lines that begin with `payouts`; the emulator's line keeps running."""
        for line in str(example.parsed).splitlines():
            if not line.startswith("payouts "):
                continue
            words = [sys.executable, "-P", "-m", "payments_core", *shlex.split(line, comments=True)[1:]]
            if words[4] == "emulator":
                self.start(words)
                continue
            expected = int(told[1]) if (told := EXITS.search(line)) else 0
            done = subprocess.run(words, cwd=self.folder, capture_output=True, text=True, timeout=90, check=False)
            assert done.returncode == expected, f"{line}\n{done.stdout}\n{done.stderr}"

    def python(self, example: Example) -> None:
        """Run a block; later blocks of the page see its names."""
        source = str(example.parsed).replace("http://127.0.0.1:9400", self.url)
        exec(compile(source, "page", "exec"), example.namespace)  # noqa: S102 - our own pages

    def start(self, words: list[str]) -> None:
        port = words.index("--port") + 1
        words[port] = "0"  # pages name a fixed port; several tests may run at once
        self.gateway = subprocess.Popen(
            words, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert self.gateway.stdout is not None
        for told in self.gateway.stdout:
            if found := re.search(r"http://127\.0\.0\.1:\d+", told):
                self.url = found[0]
                break

    def leave(self) -> None:
        if self.gateway is not None:
            self.gateway.terminate()
            assert self.gateway.wait(timeout=15) == 0, "the emulator ends cleanly"
            assert self.gateway.stdout is not None
            self.gateway.stdout.close()


@pytest.mark.parametrize("page", PAGES)
def test_code_in_pages_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every Python block and every `payouts` line of a page runs as it stands and ends as the page says."""
    monkeypatch.chdir(tmp_path)
    reader = Reader(tmp_path)
    parsers = [CodeBlockParser("python", reader.python), CodeBlockParser("sh", reader.shell)]
    try:
        for example in Sybil(parsers, path=str(ROOT)).parse(ROOT / page).examples():
            example.evaluate()
    finally:
        reader.leave()


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    """A link inside the repository leads to a file that is there."""
    missing = [
        link
        for link in LINK.findall((ROOT / page).read_text("utf-8"))
        if not (ROOT / page).parent.joinpath(link).exists()
    ]
    assert not missing


def test_commands_of_the_readme_are_those_of_ci() -> None:
    """CI runs exactly the README's test command."""
    readme = (ROOT / "README.md").read_text("utf-8")
    commands = [line for line in readme.splitlines() if line.startswith("python3 -m venv") and "nox" in line]
    assert len(commands) == 2
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    assert commands[1] in script
    assert commands[0] == f"{commands[1]} -s demo"


def test_pages_name_no_machine() -> None:
    """No page holds an absolute path of somebody's machine."""
    for page in PAGES:
        text = (ROOT / page).read_text("utf-8")
        assert not re.search(r"(?<![\w./])/(?:home|root|work|Users)/", text), page
