"""inrc: an implicit neural image codec. A picture is stored as the weights of a small network fitted to it."""

from importlib.metadata import version

__version__ = version("inrc")
