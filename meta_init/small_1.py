"""A prior for the `siren` codec on pictures of about 64x64 at 1 bit per pixel, by empirical Bayes.

Command: inrc meta train meta_init/small_1.py, with INRC_TRAIN naming a folder of photographs.
Cost: two rounds of 300 fits of a second or two each.
"""

from meta_init.family import small_siren

RECIPE = small_siren("small_1", 1)
