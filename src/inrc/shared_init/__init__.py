"""Shared inits: where the weights of many pictures begin, what they are coded against, and how far they stray.

Read with NumPy alone: a decoder needs them too.
"""

from inrc.shared_init.archive import ID_BYTES as ID_BYTES
from inrc.shared_init.archive import SharedInit as SharedInit
from inrc.shared_init.archive import layout_of as layout_of
from inrc.shared_init.archive import load as load
from inrc.shared_init.archive import save as save
from inrc.shared_init.library import PATH_VARIABLE as PATH_VARIABLE
from inrc.shared_init.library import FindInit as FindInit
from inrc.shared_init.library import by_name as by_name
from inrc.shared_init.library import find as find
from inrc.shared_init.library import lookup_of as lookup_of
from inrc.shared_init.library import shipped as shipped
