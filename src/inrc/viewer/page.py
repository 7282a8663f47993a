"""Builds the page of the viewer: its scripts, styles and the files to show, all in one HTML file.

The scripts are ES modules in `web`. Their imports are of the form `import { a, b } from "./x.js";` and their exports
stand before declarations, so that a module becomes a function whose result holds its exports, without a parser.
"""

import base64
import dataclasses
import importlib.resources
import json
import re
from collections.abc import Iterable

_IMPORT = re.compile(r'^import\s*\{([^}]*)\}\s*from\s*"\./([\w.]+)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async function|function|class|const) (\w+))", re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class Embedded:
    """A file inside of a page.

    Attributes:
      name: as the page shows it.
      data: the file's bytes.
      media_type: of pictures that the browser decodes, such as `image/png`; empty for all other files.
    """

    name: str
    data: bytes
    media_type: str = ""


def page(files: Iterable[Embedded] = (), inits: Iterable[Embedded] = ()) -> str:
    """The HTML page; the same arguments give the same bytes.

    Args:
      files: an .inr file to show, and one or a picture to compare it with; an empty page asks for files.
      inits: archives of the shared inits that they need.
    """
    embedded = {
        "files": [_to_json(file) for file in files],
        "inits": [_to_json(init) for init in inits],
    }
    parts = {
        "STYLE": _asset("viewer.css").rstrip(),
        "EMBEDDED": _for_script(embedded),
        "WORKER": bundle("worker.js"),
        "MAIN": bundle("main.js"),
    }
    html = _asset("viewer.html")
    # One pass, so that nothing that was put in is taken for a place to fill.
    return re.sub("__([A-Z]+)__", lambda match: parts[match[1]], html)


def bundle(root: str) -> str:
    """A script without imports that does what the module `root` does; every module is a function of its own."""
    order: list[str] = []
    _visit(root, order)
    script = "\n".join(['"use strict";', *map(_wrapped, order)])
    if re.search("</script|<!--", script, re.IGNORECASE):
        raise AssertionError("a script of the viewer holds what ends a script element")
    return script


def _visit(name: str, order: list[str]) -> None:
    if name not in order:
        for _, imported in _IMPORT.findall(_asset(name)):
            _visit(imported, order)
        order.append(name)


def _wrapped(name: str) -> str:
    source = _asset(name)
    exported = ", ".join(_EXPORT.findall(source))
    body = _IMPORT.sub(lambda match: f"const {{{match[1]}}} = {_variable(match[2])};\n", source)
    body = _EXPORT.sub("", body).rstrip()
    if re.search(r"^(import|export)\b", body, re.MULTILINE):
        raise AssertionError(f"{name} has an import or export of another form than the page can resolve")
    return f"const {_variable(name)} = (() => {{\n{body}\nreturn {{ {exported} }};\n}})();"


def _variable(name: str) -> str:
    return "$" + name.removesuffix(".js")


def _to_json(file: Embedded) -> dict[str, str]:
    return {"name": file.name, "type": file.media_type, "base64": base64.b64encode(file.data).decode()}


def _for_script(data: object) -> str:
    """JSON for a script element: nothing in it can end the element or start another one."""
    text = json.dumps(data, separators=(",", ":"))  # ASCII only
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _asset(name: str) -> str:
    return importlib.resources.files("inrc.viewer").joinpath("web", name).read_text("utf-8")
