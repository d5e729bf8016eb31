"""The pages do what they say: their code is run, in order, against a gateway of their own."""

from __future__ import annotations

import io
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from contextlib import redirect_stdout
from pathlib import Path

import pytest
from supervisor import Child, Supervisor
from sybil import Example, Sybil
from sybil.parsers.markdown import CodeBlockParser

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    page.relative_to(ROOT).as_posix()
    for pages in ("*.md", "docs/**/*.md", "providers/*/README.md", "providers/*/docs/*.md")
    for page in ROOT.glob(pages)
    if not page.is_relative_to(ROOT / "docs" / "providers")  # gathered while the site is built
)
LINK = re.compile(r"\[[^\]]+\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)")
EXITS = re.compile(r"#.*\bexits (\d)")
PROGRAM = re.compile(r"(?m)^python (\w+\.py)")
# What differs from run to run: ids, references, times, long numbers and the port.
VARIABLE = {
    r"po_[a-z2-7]{24}": "po_…",
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}": "UUID",
    r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d+)?(?:\+00:00|Z)?": "TIME",
    r"(?<![\d+*])\d{9,}": "NUMBER",
    r"(?<=127\.0\.0\.1:)\d+": "PORT",
    r"\((?:now|in \d+ s)\)": "(SOON)",
    r" {2,}|-{4,}": " ",
}
WRITES = "PAYMENTS_WRITE_PAGES" in os.environ
LISTENS = re.compile(r"(?:Its ledger:|Listening for callbacks at) (http://127\.0\.0\.1:\d+)")


def ended(line: str) -> int:
    """Return the exit code that a line names: 0 when it names none."""
    return int(found[1]) if (found := EXITS.search(line)) else 0


def comparable(printed: str) -> list[str]:
    """Return the lines of an output without what differs from run to run."""
    for pattern, written in VARIABLE.items():
        printed = re.sub(pattern, written, printed)
    return [line.rstrip() for line in printed.strip().splitlines()]


def fits(printed: str, written: str) -> bool:
    """Whether an output is what the page has."""
    lines, patterns = comparable(printed), [re.escape(line).replace("…", ".*") for line in comparable(written)]
    return len(lines) == len(patterns) and all(map(re.fullmatch, patterns, lines))


class Reader:
    """A reader who follows a page word for word, in an empty folder.

    Args:
        folder: Empty.
        page: The page's text.
        supervisor: Starts `payouts`; its output goes to the file ``said`` of the folder.

    """

    def __init__(self, folder: Path, page: str, supervisor: Supervisor) -> None:
        self.folder = folder
        self.supervisor = supervisor
        self.programs = set(PROGRAM.findall(page))
        self.gateways: list[Child] = []
        self.urls: dict[str, str] = {}
        self.printed = ""
        self.outputs: list[str] = []

    def shell(self, example: Example) -> None:
        """Run the lines that begin with `payouts`, or run a program of the page; what listens keeps running."""
        self.printed = ""
        for line in str(example.parsed).splitlines():
            words = shlex.split(line, comments=True)
            before = len(self.log())
            if PROGRAM.match(line):
                command = [sys.executable, *words[1:]]
                done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=90, check=False)
                self.printed += done.stdout
                assert done.returncode == ended(line), f"{line}\n{done.stdout}\n{done.stderr}"
            elif line.startswith(("payouts emulator ", "payouts serve ")):
                self.start(words[1:])
                self.printed += self.log()[before:]
            elif line.startswith("payouts "):
                code = self.supervisor.start(folder=str(self.folder), command=words[1:]).wait()
                self.printed += self.log()[before:]
                assert code == ended(line), f"{line}\n{self.log()}"

    def python(self, example: Example) -> None:
        """Run a block; later blocks of the page see its names. One that the page runs as a program is written."""
        source = str(example.parsed)
        if (named := re.match(r"# (\w+\.py)\n", source)) and named[1] in self.programs:
            (self.folder / named[1]).write_text(source, "utf-8")
            return
        for written, url in self.urls.items():
            source = source.replace(written, url)
        with redirect_stdout(io.StringIO()) as printed:
            exec(compile(source, "page", "exec"), example.namespace)  # noqa: S102 - our own pages
        self.printed = printed.getvalue()

    def output(self, example: Example) -> None:
        """Compare what the block before printed; `…` stands for any text within a line."""
        written = str(example.parsed)
        self.outputs.append(self.printed if WRITES and not fits(self.printed, written) else written)
        assert fits(self.printed, self.outputs[-1]), f"printed:\n{self.printed}\non the page:\n{written}"

    def write_outputs(self, page: Path) -> None:
        """Put what was printed into the blocks of output that differ, with the ports that the page names."""
        outputs = iter(self.outputs)

        def block(_: re.Match[str]) -> str:
            printed = next(outputs)
            for written, url in self.urls.items():
                printed = printed.replace(url.removeprefix("http://"), written.removeprefix("http://"))
            return "\n".join(["```output", *(line.rstrip() for line in printed.strip().splitlines()), "```"])

        page.write_text(re.sub(r"(?ms)^```output\n.*?^```$", block, page.read_text("utf-8")), "utf-8")

    def start(self, words: list[str]) -> None:
        port = words.index("--port") + 1
        written, words[port] = words[port], "0"  # pages name a fixed port; several tests may run at once
        before = len(self.log())
        self.gateways.append(self.supervisor.start(folder=str(self.folder), command=words))
        until = time.monotonic() + 60
        while (found := LISTENS.search(self.log()[before:])) is None:  # printed last, when the configuration is written
            assert time.monotonic() < until, self.log()
            time.sleep(0.02)
        self.urls[f"http://127.0.0.1:{written}"] = found[1]

    def log(self) -> str:
        """Return all that `payouts` has printed so far, without the folder's path."""
        log = self.folder / "said"
        return log.read_text("utf-8").replace(f"{self.folder}/", "") if log.exists() else ""

    def preflight(self) -> None:
        for gateway in self.gateways:
            gateway.signal(signal.SIGTERM)
            assert gateway.wait() == 0, "the emulator ends cleanly"


# This page plays every promise of a provider, as the provider's own tests do.
LONG = "docs/how-to/evaluate-a-provider.md"


@pytest.mark.parametrize(
    "page", [pytest.param(page, marks=pytest.mark.proof) if page == LONG else page for page in PAGES]
)
def test_page_code_runs_and_prints_what_the_page_shows(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, supervisor: Supervisor
) -> None:
    """Every Python block and `payouts` line of a page runs as it stands, and prints and ends as the page says.

    With `PAYMENTS_WRITE_PAGES=1` the page gets what was printed.
    """
    monkeypatch.chdir(tmp_path)
    reader = Reader(tmp_path, (ROOT / page).read_text("utf-8"), supervisor)
    parsers = [CodeBlockParser("python", reader.python), CodeBlockParser("sh", reader.shell)]
    parsers.append(CodeBlockParser("output", reader.output))
    try:
        for example in Sybil(parsers, path=str(ROOT)).parse(ROOT / page).examples():
            example.evaluate()
        if WRITES:
            reader.write_outputs(ROOT / page)
    finally:
        reader.preflight()


@pytest.mark.parametrize("page", PAGES)
def test_page_links_lead_to_existing_files(page: str) -> None:
    """A link inside the repository leads to a file that is there."""
    missing = [
        link
        for link in LINK.findall((ROOT / page).read_text("utf-8"))
        if not (ROOT / page).parent.joinpath(link).exists()
    ]
    assert not missing


def test_readme_commands_are_those_of_ci() -> None:
    """CI runs exactly the README's test command."""
    readme = (ROOT / "README.md").read_text("utf-8")
    commands = [line for line in readme.splitlines() if line.startswith("python3 -m venv") and "nox" in line]
    assert len(commands) == 2
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    assert commands[1] in script
    assert commands[0] == f"{commands[1]} -s demo"


def test_providers_pages_start_the_emulator_on_its_own_port() -> None:
    """A reader who goes from one page to the next finds it where it was: on the port that it takes by itself."""
    for page in PAGES:
        if page.startswith("providers/"):
            ports = re.findall(r"payouts emulator \S+ --port (\d+)", (ROOT / page).read_text("utf-8"))
            assert set(ports) <= {"9400"}, page


def test_pages_name_no_path_of_a_machine() -> None:
    """No page holds an absolute path of a machine."""
    for page in PAGES:
        text = (ROOT / page).read_text("utf-8")
        assert not re.search(r"(?<![\w./])/(?:home|root|work|Users)/", text), page
