"""Checks of the numbers and choices that users give."""

import enum
import math
import operator
from collections.abc import Iterable
from typing import Any, TypeVar

from inrc.errors import ConfigError


def checked_number(
    name: str, value: Any, low: float, high: float = math.inf, *, above: bool = False, whole: bool = False
) -> Any:
    """Returns a number that lies in its range, as a number of Python.

    Args:
      name: what messages call the number.
      value: a number of Python, or a scalar of NumPy or JAX.
      low: the least value.
      high: the largest value; where it is infinite, any finite number may be given.
      above: whether the number must lie above `low`, which is then not allowed itself.
      whole: whether it must be a whole number.

    Raises:
      ConfigError: The value is no number, not finite, not whole, or out of range.
    """
    number = _python_number(value)
    if number is not None and whole and isinstance(number, float) and number.is_integer():
        number = int(number)
    is_kind = number is not None and (isinstance(number, int) or (math.isfinite(number) and not whole))
    if number is None or not is_kind or not low <= number <= high or (above and number == low):
        given = number if isinstance(number, float) else _short(value)
        raise ConfigError(f"{name} is {given}; it must be {_range_in_words(low, high, above=above, whole=whole)}")
    return number


_Choice = TypeVar("_Choice", bound=enum.Enum)


def checked_choice(name: str, value: Any, choices: type[_Choice]) -> _Choice:
    """Returns the member that a user means, by itself or by its name as the command line has it: "ycocg-orthonormal".

    Raises:
      ConfigError: The value is neither; the message lists the names.
    """
    if isinstance(value, choices):
        return value
    names = {member.name.lower().replace("_", "-"): member for member in choices}
    return names[checked_name(name, value, names)]


def checked_name(name: str, value: Any, names: Iterable[str]) -> str:
    """Returns a value that is one of a few names.

    Raises:
      ConfigError: It is none of them; the message lists them.
    """
    names = tuple(names)
    if not isinstance(value, str) or value not in names:
        raise ConfigError(f"there is no {name} {_short(value)}; there are {', '.join(names)}")
    return value


def _python_number(value: Any) -> int | float | None:
    """Returns a number of Python; None for anything that is no real number. Booleans are none."""
    if getattr(getattr(value, "dtype", None), "kind", "-") in "iuf" and getattr(value, "shape", None) == ():
        return value.item()
    if isinstance(value, int | float):
        return None if isinstance(value, bool) else value
    try:
        return operator.index(value)
    except TypeError:
        return None


def _range_in_words(low: float, high: float, *, above: bool, whole: bool) -> str:
    kind = "a whole number" if whole else "a number"
    least, most = (f"{end:.15g}" if isinstance(end, float) else str(end) for end in (low, high))
    if math.isinf(high):
        return f"{kind} {'above' if above else 'of at least'} {least}"
    return f"{kind} above {least} and at most {most}" if above else f"{kind} in {least}..{most}"


def _short(value: Any) -> str:
    """Returns a value as a message shows it. Python refuses to print integers of thousands of digits."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**40:
        return f"a number of about {value.bit_length() * math.log10(2):.0f} digits"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
