"""The blocks of code in the documents, and which of them need what is not here."""

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
DOCUMENTS = (
    "README.md",
    "CONTRIBUTING.md",
    "meta_init/README.md",
    *(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md")),
)
_PYTHON = re.compile(r"^```python\n(.*?)^```$", re.M | re.S)
_COMMANDS = re.compile(r"(?:^|\n\n)((?: {4}[^\n]+\n)+)")
_INLINE = re.compile(r"`((?:inrc|make) [^`\n]+)`")


class Block(NamedTuple):
    """Code in a document, and where it begins."""

    document: str
    line: int
    code: str

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"


def python_blocks() -> list[Block]:
    """Returns the blocks of Python, in the order of the documents."""
    return [block for document in sorted(DOCUMENTS) for block in _found(document, _PYTHON)]


def commands() -> list[Block]:
    """Returns all commands: lines of indented blocks, and those that a sentence names in part."""
    return command_lines() + [block for document in sorted(DOCUMENTS) for block in _found(document, _INLINE)]


def command_lines() -> list[Block]:
    """Returns the commands that are lines of indented blocks."""
    found = []
    for document in sorted(DOCUMENTS):
        for block in _found(document, _COMMANDS):
            joined = block.code.replace("\\\n", " ")
            for number, line in enumerate(joined.splitlines()):
                if re.match(r"(inrc|make|python|pip) ", line.strip()):
                    found.append(Block(document, block.line + number, line.strip()))
    return found


def _found(document: str, pattern: re.Pattern[str]) -> list[Block]:
    text = (ROOT / document).read_text()
    return [Block(document, text[: m.start(1)].count("\n") + 1, m.group(1)) for m in pattern.finditer(text)]
