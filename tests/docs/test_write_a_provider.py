"""The tutorial for authors of a provider: who follows it word for word has a provider that keeps every promise."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from payments_core.testing.conformance import ProviderConformance

PAGE = Path(__file__).parents[2] / "docs" / "tutorial" / "write-a-provider.md"
BLOCK = re.compile(r"```(?P<kind>\w+)\n(?:# (?P<file>\S+)\n)?(?P<text>.*?)```", re.DOTALL)
PROMISES = PAGE.parents[1] / "how-to" / "test-a-provider.md"
VARIABLE = re.compile(r"po_[a-z2-7]{24}|(?<=order_no=)[A-Z2-7]{20}")
PYTEST = "$ python -m pytest -q tests\n"
MADE = """
from shop_pay.settings import ShopPaySettings
from shop_pay.provider import ShopPayProvider

fields = {"shop": "S-1", "secret": "of the shop"}
provider = ShopPayProvider(ShopPaySettings(**fields, callback_secret="of its callbacks"))
"""
SIGNED = f"""{MADE}
import hashlib
import hmac
from datetime import UTC, datetime

from payments_core.provider import Callback

body = b'{{"order_no": "A",  "state": "paid"}}'  # two blanks: it is these bytes that are signed


def sign(secret):
    return hmac.new(secret, body, hashlib.sha256).hexdigest()


def post(body, signature=None):
    return Callback("POST", {{"x-signature": signature}} if signature else {{}}, body, datetime.now(UTC))


good = post(body, sign(b"of its callbacks"))
others = post(body.replace(b"paid", b"returned"), sign(b"of its callbacks"))
for callback in (good, others, post(body, sign(b"of a stranger")), post(body)):
    print(provider.verify(callback))
print(ShopPayProvider(ShopPaySettings(**fields)).verify(good))
"""
CALLED_BACK = """
import hashlib
import hmac
import json
from datetime import UTC, datetime

from shop_pay.emulator.gateway import Gateway
from payments_core.testing.emulator.faults import Faults

for way, fault in {"forged": "callback_forged", "contradicting": "callback_contradicts"}.items():
    gateway, at = Gateway("secret"), datetime.now(UTC)
    faults = Faults.read({fault: True}, at)
    order = {"order_no": "A", "phone": "999700000010", "cents": 500, "currency": "KES"}
    order["callback_url"] = "http://127.0.0.1:1/called"

    def ask(path, body, key):
        return gateway.read("POST", path, {"authorization": key}, json.dumps(body).encode(), at)

    token = json.loads(gateway.answer(ask("/token", {"shop": "S-1"}, "Secret secret")).body)["token"]
    request = ask("/payouts", order, f"Bearer {token}")
    planned = gateway.plan_callbacks(
        request, gateway.answer(request), lambda name: faults.fires(name, "post", "999700000010", "pay")
    )
    found = [one for first in planned for one in (first, *first.then)]
    assert [json.loads(one.body)["state"] for one in found] == (
        ["returned", "paid"] if way == "forged" else ["paid", "returned"]
    )

    def is_signed(one):
        wanted = hmac.new(gateway.callback_secret.encode(), one.body, hashlib.sha256).hexdigest()
        return one.headers["x-signature"] == wanted if "x-signature" in one.headers else None

    print(f"{way}: {[is_signed(one) for one in found]}")
"""


class Author:
    """An author who writes what the page says into an empty folder, and runs it.

    Args:
        folder: Empty.

    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.passed: list[int] = []
        self.skipped: list[str] = []
        inherited = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
        parts = [str(folder), *map(os.path.abspath, inherited)]
        self.environment = {**os.environ, "PAYMENTS_CONFORMANCE_MANY": "5", "PYTHONPATH": os.pathsep.join(parts)}

    def follow(self, page: str) -> None:
        """Do what the blocks say, one after another."""
        for block in BLOCK.finditer(page):
            if block["kind"] == "console" and block["text"] == PYTEST:
                self.test()
            elif block["kind"] == "diff":
                self.change(block["file"], block["text"])
            elif block["file"]:
                file = self.folder / block["file"]
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(block["text"], "utf-8")

    def change(self, name: str, text: str) -> None:
        """Take out the lines with `-` and put in those with `+`; each piece fits in one place."""
        file = self.folder / name
        for piece in text.split("@@\n"):
            lines = piece.splitlines()
            old, new = ("".join(f"{line[1:]}\n" for line in lines if line[:1] not in left) for left in ("+", "-"))
            before = file.read_text("utf-8")
            assert before.count(old) == 1, f"{name}: this is there {before.count(old)} times:\n{old}"
            file.write_text(before.replace(old, new), "utf-8")

    def run(self, *words: str) -> str:
        """Run a module of Python in the folder; what it prints."""
        done = subprocess.run(
            [sys.executable, "-m", *words],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def test(self) -> None:
        """Run the promises that the page has come to."""
        # All that an earlier step can show, the fourth shows again: of the longest there is enough once.
        longest = "fault", "many_at_once", "secret_leaks", "decide_alike", "in_every_process"
        fewer = () if len(self.passed) == 3 else ("-k", " and ".join(f"not {name}" for name in longest))
        output = self.run(
            "pytest", "-q", "-rs", "-p", "no:cacheprovider", "--rootdir", str(self.folder), *fewer, "tests"
        )
        found = re.search(r"(\d+) passed", output)
        assert found, output
        self.passed.append(int(found[1]))
        self.skipped = re.findall(r"(?m)^SKIPPED .+?: (.+)$", output)


def install(folder: Path) -> None:
    """Leave what an installation leaves beside the packages: the entry point."""
    project = (folder / "pyproject.toml").read_text("utf-8")
    [points] = re.findall(r"\[project\.entry-points\.payments_core\]\n(.*?)\n\n", project, re.DOTALL)
    about = folder / "payments_shop_pay-0.1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: payments-shop-pay\nVersion: 0.1.0\n", "utf-8")
    (about / "entry_points.txt").write_text(f"[payments_core]\n{points.replace(chr(34), '')}\n", "utf-8")


@pytest.fixture(scope="module")
def author(tmp_path_factory: pytest.TempPathFactory) -> Author:
    """Return one who has followed the page to its end."""
    author = Author(tmp_path_factory.mktemp("shop-pay"))
    author.follow(PAGE.read_text("utf-8"))
    return author


def test_tutorial_steps_pass_their_conformance_tests(author: Author) -> None:
    """Each of the four steps can be run, and has more promises than the one before.

    The last one skips nothing but what Shop Pay does not have.
    """
    assert len(author.passed) == 4
    assert author.passed == sorted(set(author.passed))
    assert author.skipped
    assert [why for why in author.skipped if not re.fullmatch(r"Shop Pay has no [\w, ]+", why)] == []


def test_tutorial_provider_pays_once_through_its_entry_point(author: Author) -> None:
    """Installed, it is there: its emulator starts by its name, and the page's payment arrives once."""
    install(author.folder)
    emulator, send = re.findall(r"(?m)^\$ payouts (.*)$", PAGE.read_text("utf-8"))
    words = [sys.executable, "-m", "payments_core", *emulator.replace("9500", "0").split(), "--json"]
    gateway = subprocess.Popen(words, cwd=author.folder, env=author.environment, stdout=subprocess.PIPE, text=True)
    try:
        assert gateway.stdout is not None
        assert gateway.stdout.readline()
        printed = author.run("payments_core", *send.split())
        assert re.sub(VARIABLE, "…", printed) in re.sub(VARIABLE, "…", PAGE.read_text("utf-8"))
        paid = [author.run("payments_core", *send.split(), "--json") for _ in range(2)]
        assert all('"SUCCEEDED"' in output for output in paid), paid
    finally:
        gateway.send_signal(signal.SIGTERM)
        gateway.communicate(timeout=20)


def test_tutorial_provider_verifies_callback_signatures(author: Author) -> None:
    """True for the shop's own, False for all others and for none, None where the shop has agreed on no secret."""
    (author.folder / "signed.py").write_text(SIGNED, "utf-8")
    assert author.run("signed").split() == ["True", "False", "False", "False", "None"]


def test_tutorial_emulator_signs_all_callbacks_but_forged_ones(author: Author) -> None:
    """As the page says: no stranger has the secret, and what contradicts comes from the provider itself."""
    (author.folder / "called_back.py").write_text(CALLED_BACK, "utf-8")
    signatures = dict(line.split(": ") for line in author.run("called_back").splitlines())
    assert signatures == {"forged": "[None, True]", "contradicting": "[True, True]"}


def test_tutorial_provider_has_at_most_400_lines(author: Author) -> None:
    """Send, check and callbacks are a day's work: at most 400 lines, the emulator and the sheet aside."""
    package = author.folder / "shop_pay"
    lines = sum(
        len(file.read_text("utf-8").splitlines()) for file in package.glob("*.py") if file.stem != "conformance"
    )
    assert 200 < lines <= 400


def test_tutorial_page_explains_every_conformance_promise() -> None:
    """Each promise has a row on the page with what to check first, and there is no other row."""
    rows = re.findall(r"(?m)^\| `(\w+)` \| .+ \| .+ \|$", PROMISES.read_text("utf-8"))
    assert sorted(rows) == sorted(
        name.removeprefix("test_") for name in dir(ProviderConformance) if name[:5] == "test_"
    )
