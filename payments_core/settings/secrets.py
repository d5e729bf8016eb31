"""Secrets that the configuration names: ``env:NAME`` and ``file:PATH``."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

from pydantic import SecretStr

from payments_core.domain.errors import SecretMissing
from payments_core.settings.files import read_file

__all__ = ["read_secret"]

_MOST_BYTES = 64 * 1024
_VARIABLE = re.compile(r"(?=[A-Z])(?!.*[A-Z0-9]{20})[A-Z0-9_]{1,64}")
_PATH = re.compile(r"(?=.*[/.])(?!.*[A-Za-z0-9+=]{20})[^:@\0]{1,300}")


def _is_name(kind: str, rest: str, root: Path) -> bool:
    """Whether the text after ``env:`` or ``file:`` is a name that a message may repeat; it may be the secret itself."""
    if kind == "env":
        return rest in os.environ or _VARIABLE.fullmatch(rest) is not None
    return os.path.lexists(root / rest) or _PATH.fullmatch(rest) is not None


def read_secret(
    reference: str, *, root: Path, on_exposed: Callable[[str], object] = lambda _file: None
) -> SecretStr | None:
    """Return the secret at ``env:NAME`` or ``file:PATH``; None when the reference is of another form.

    Args:
        reference: As written in the configuration.
        root: Where relative paths start.
        on_exposed: Called with the name of a file that others than its owner may read.

    Raises:
        SecretMissing: There is none.
        SettingsError: The file is no regular one, too large, or others can change it.

    """
    kind, _, rest = reference.partition(":")
    if kind in {"env", "file"} and not _is_name(kind, rest, root):
        names = "an environment variable" if kind == "env" else "a file that is there"
        raise SecretMissing(
            f"What stands after {kind}: is not the name of {names}; it is not repeated here, as it may be the secret.",
            hint="Write the name of a variable, such as env:API_KEY, or the path of a file, such as file:secrets/key; "
            "a secret itself never stands in the configuration.",
        )
    if kind == "env":
        if not os.environ.get(rest):
            how = "is empty" if rest in os.environ else "does not exist"
            raise SecretMissing(f"The environment variable {rest} {how}.", hint=f"Set it: export {rest}=…")
        return SecretStr(os.environ[rest])
    if kind == "file":
        text, why = "", "is empty"
        try:
            found = read_file(root / rest, f"The secret file {rest}", most_bytes=_MOST_BYTES)
        except (OSError, ValueError) as error:
            why = f"cannot be read: {type(error).__name__}"
        else:
            text = found.text.strip()
            if found.is_exposed and not text.startswith("-----BEGIN CERTIFICATE-----"):  # that is no secret
                on_exposed(rest)
        if not text:
            raise SecretMissing(
                f"The secret file {rest} {why}.",
                hint="Make it, readable by you alone (mode 0600), with the secret on one line.",
            )
        return SecretStr(text)
    return None
