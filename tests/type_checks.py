"""How annotations of the package are checked while tests run, shapes of arrays included."""

from beartype import BeartypeConf, beartype

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))
"""Checks arguments and results at every call; an int is a float, as static checkers have it."""
