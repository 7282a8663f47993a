"""The documentation as a site: `make docs` builds out/docs from this folder, the other documents and the docstrings."""

import contextlib
import io
import os
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import inrc
from inrc.cli.app import main

project = "inrc"
copyright = "the inrc authors, Apache-2.0"
version = release = inrc.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
html_title = "inrc"
html_show_sphinx = False
html_copy_source = False
exclude_patterns = ["figures"]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
default_role = "code"
python_use_unqualified_type_names = True
napoleon_use_ivar = True
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]
# Documents that pages include link to files of the repository, and the docstrings of a class to its attributes again.
suppress_warnings = ["myst.xref_missing", "myst.header", "ref.python"]

ROOT = Path(__file__).parent.parent


class CommandHelp(SphinxDirective):
    """What `inrc ARGUMENTS --help` prints, as a literal block."""

    has_content = False
    optional_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        printed = io.StringIO()
        arguments = self.arguments[0].split() if self.arguments else []
        os.environ["COLUMNS"] = "100"
        with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
            main([*arguments, "--help"])
        return [nodes.literal_block(printed.getvalue(), printed.getvalue(), language="none")]


def setup(app: Sphinx) -> dict[str, Any]:
    """Registers the directive, as Sphinx asks for it."""
    app.add_directive("command-help", CommandHelp)
    return {"parallel_read_safe": False}
