"""Which files of a dataset count, by their suffixes, and how many others are skipped."""

import re
from collections import Counter
from collections.abc import Mapping

_SUFFIX = re.compile(r"\.[a-z0-9]{1,8}")
_OTHER = "other"
_MOST_SUFFIXES = 1000
_N_SHOWN = 5


class Kinds:
    """Tells which names are wanted, and counts those that are not.

    Attributes:
      suffixes: suffixes of the wanted names, in lower case.
      skipped: {suffix: number} of names with other suffixes, as far as they look like suffixes, or else "other".
    """

    def __init__(self, suffixes: tuple[str, ...], ignored: tuple[str, ...] = ()) -> None:
        """Takes the wanted suffixes, and names of files that are neither wanted nor counted."""
        self.suffixes = suffixes
        self._ignored = ignored
        self.skipped: Counter[str] = Counter()

    def wants(self, name: str) -> bool:
        """Whether a name counts. Hidden files never do, and are not counted as skipped either."""
        last = name.rpartition("/")[2]
        if last.startswith(".") or last in self._ignored:
            return False
        if last.lower().endswith(self.suffixes):
            return True
        suffix = last[last.rfind(".") :].lower() if "." in last else ""
        is_plain = _SUFFIX.fullmatch(suffix) and (suffix in self.skipped or len(self.skipped) < _MOST_SUFFIXES)
        self.skipped[suffix if is_plain else _OTHER] += 1
        return False


def skipped_in_words(skipped: Mapping[str, int]) -> str:
    """Returns how many files were skipped, the most frequent suffixes first; empty for none."""
    total = sum(skipped.values())
    if not total:
        return ""
    suffixes = sorted((item for item in skipped.items() if item[0] != _OTHER), key=lambda item: (-item[1], item[0]))
    parts = [f"{n:,} {suffix}" for suffix, n in suffixes[:_N_SHOWN]]
    n_others = total - sum(n for _, n in suffixes[:_N_SHOWN])
    if n_others:
        parts.append(f"{n_others:,} other")
    return f"{total:,} {'file' if total == 1 else 'files'} skipped ({', '.join(parts)})"
