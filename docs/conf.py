"""How Sphinx builds the site: `nox -s docs`. Pages are Markdown, the interface is read from docstrings.

Nothing is fetched while it builds. Why this generator and theme: decisions/0005-documentation.md.
"""

from __future__ import annotations

import inspect
import re
import shutil
from enum import EnumType
from importlib.metadata import version as installed
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from docutils import nodes
    from sphinx.addnodes import pending_xref
    from sphinx.application import Sphinx
    from sphinx.config import Config
    from sphinx.environment import BuildEnvironment

project = "payments_core"
version = release = installed("payments-core")
copyright = "payments_core contributors, MIT licence"  # noqa: A001 - Sphinx's name for it

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_heading_anchors = 3  # `page.md#a-heading` leads where it leads on a code host

html_theme = "furo"
html_title = f"payments_core {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False

# Docstrings are Google's form. Types stand in signatures, one argument a line where they are long.
napoleon_numpy_docstring = False
autodoc_default_options = {"members": True}
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_mock_imports = ["pytest"]  # the conformance suite needs it to run, its page does not
# Shown by their names, and not as everything they stand for.
autodoc_type_aliases = {name: name for name in ("CheckOutcome", "EngineFlow", "HttpFlow", "SubmitOutcome")}
maximum_signature_line_length = 88
python_use_unqualified_type_names = True
toc_object_entries_show_parents = "hide"

# There is nothing to link other people's names to. A wrong name of ours is still a warning.
nitpick_ignore_regex = [
    (r"py:.*", r"(asyncio|collections|datetime|decimal|enum|importlib|pathlib|ssl|types|typing|uuid)\..+|Path|T"),
    (r"py:.*", r"(annotated_types|pydantic|starlette)\..+|SecretStr|datetime"),
    (r"py:.*", r"\d+\.\d+"),  # bounds in an annotation
    (r"py:.*", r"payments_core\.testing\..+\.[A-Z]"),  # type variables
    (r"py:.*", r"payments_core\.http\.flow\.[CRT]"),
    # What a client is made of, the journal in it, and what a flow may ask for, is private.
    (r"py:.*", r"payments_core\.(runtime\.runtime\.Runtime|engine\.journal_protocol\.Journal)|Command|Reply"),
    (r"py:.*", r"payments_core\.domain\.records\.PayoutRecord|DeriveReferences|DecimalMark"),
    (r"py:.*", r"payments_core\.(client\.event_stream\.Look|journal\.maintenance\.snapshot\.Snapshot)"),
]


def gather_pages(app: Sphinx, config: Config) -> None:
    """Take in the pages that each provider has in its own folder."""
    gathered = app.srcdir / "providers"
    shutil.rmtree(gathered, ignore_errors=True)
    gathered.mkdir()
    for page in sorted(app.srcdir.parent.glob("providers/[!_]*/docs/*.md")):
        # On a code host its links begin in the provider's folder, here beside our own pages.
        (gathered / page.name).write_text(page.read_text("utf-8").replace("](../../../docs/", "](../"), "utf-8")


def read_page(app: Sphinx, name: str, text: list[str]) -> None:
    """Make a link out of docs/ give the file itself, and one to a folder its words; a code host follows both."""

    def kept(link: re.Match[str]) -> str:
        target = (app.srcdir / name).parent.joinpath(link["path"]).resolve()
        if target.is_relative_to(app.srcdir.resolve()) or not target.exists():
            return link[0]
        return f"[{link['words']}](path:{link['path']})" if target.is_file() else link["words"]

    text[0] = re.sub(r"\[(?P<words>[^\]]+)\]\((?P<path>\.\./[^)#\s]+)(#[^)\s]*)?\)", kept, text[0])


def read_docstring(app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]) -> None:
    """Give a class the arguments that its private base explains, and keep a property's sentence one sentence."""
    if isinstance(thing, type):
        for base in thing.__mro__[1:]:
            if base.__name__.startswith("_") and base.__module__.startswith("payments_"):
                lines += inspect.cleandoc(base.__doc__ or "").splitlines()[1:]
    elif what in {"property", "attribute"}:  # an empty comment: napoleon takes words before a colon for a type
        lines[:0] = ["..", ""]


def read_signature(
    app: Sphinx, what: str, name: str, thing: object, options: object, arguments: str | None, returns: str | None
) -> tuple[str | None, str | None]:
    """Write `...` for a default that is no Python, and no arguments for an enumeration or a protocol."""
    if isinstance(thing, EnumType) or (what == "class" and getattr(thing, "_is_protocol", False)):
        return "", None
    return arguments and re.sub(r"= ?<(?:[^<>]|<\w+>)+>", "= ...", arguments), returns


def resolve_by_last_name(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, shown: nodes.TextElement
) -> nodes.Element | None:
    """Link a name that a docstring or an annotation writes without its module."""
    if node.get("refdomain") != "py" or "." in node["reftarget"]:
        return None
    node["refspecific"] = True
    python = env.domains.python_domain
    return python.resolve_xref(env, node["refdoc"], app.builder, "obj", node["reftarget"], node, shown)


def setup(app: Sphinx) -> None:
    """Add what is ours to Sphinx."""
    app.connect("config-inited", gather_pages)
    app.connect("source-read", read_page)
    app.connect("autodoc-process-docstring", read_docstring, priority=400)  # before napoleon
    app.connect("autodoc-process-signature", read_signature)
    app.connect("missing-reference", resolve_by_last_name)
