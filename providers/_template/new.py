"""Copies this template under another name: ``python new.py orange_money FOLDER`` makes ``FOLDER/orange_money``."""

from __future__ import annotations

import re
import sys
from pathlib import Path

TEMPLATE = Path(__file__).parent
LEFT = {"new.py", "__pycache__", "dist"}


def copy(name: str, folder: Path) -> Path:
    """Copy the template.

    Args:
        name: Of the provider, such as ``orange_money``: small letters, digits and underscores.
        folder: Where its folder is made.

    Raises:
        ValueError: A name that is none.
        FileExistsError: There is something of that name.

    """
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name) or name == "template":
        raise ValueError(f"{name!r} is no name for a provider: write it like orange_money.")
    words = name.split("_")
    spelt = {
        "template.example": f"{'-'.join(words)}.example",  # a host's name has no underscore
        "Template Pay": " ".join(map(str.capitalize, words)),
        "payments-template": f"payments-{'-'.join(words)}",
        "TEMPLATE": name.upper(),
        "Template": "".join(map(str.capitalize, words)),
        "template": name,
    }
    made = folder / name
    made.mkdir(parents=True)
    for source in sorted(TEMPLATE.rglob("*")):
        parts = source.relative_to(TEMPLATE).parts
        if LEFT & set(parts) or parts[0].startswith(".") or source.is_dir():
            continue
        target = made.joinpath(*(_spell(part, spelt) for part in parts))
        target.parent.mkdir(parents=True, exist_ok=True)
        text = source.read_text("utf-8")
        target.write_text(text if source.name == "LICENSE" else _spell(text, spelt), "utf-8")
    return made


def _spell(text: str, spelt: dict[str, str]) -> str:
    return re.sub("|".join(map(re.escape, spelt)), lambda found: spelt[found[0]], text)


def main(words: list[str]) -> int:
    """Run the command line; return the exit code."""
    if len(words) not in {1, 2}:
        sys.stderr.write(f"{__doc__}\n")
        return 2
    try:
        made = copy(words[0], Path(*words[1:]))
    except (ValueError, FileExistsError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{made}: begin with its CHECKLIST.md.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
