"""Shared inits: the start of the weights of many pictures, and the prior that they are coded under.

A decoder needs them too, so they are read with NumPy alone.
"""

from inrc.shared_init.archive import ID_BYTES as ID_BYTES
from inrc.shared_init.archive import SharedInit as SharedInit
from inrc.shared_init.archive import load as load
from inrc.shared_init.archive import packed as packed
from inrc.shared_init.archive import save as save
from inrc.shared_init.library import PATH_VARIABLE as PATH_VARIABLE
from inrc.shared_init.library import FindInit as FindInit
from inrc.shared_init.library import by_name as by_name
from inrc.shared_init.library import find as find
from inrc.shared_init.library import lookup_of as lookup_of
from inrc.shared_init.library import shipped as shipped
from inrc.shared_init.networks import layout_of as layout_of
