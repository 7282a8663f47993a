"""A start and a prior for the `siren` codec at 0.15 bits per pixel, by Meta-SGD and empirical Bayes.

Command: inrc meta train meta_init/siren_015.py, with INRC_TRAIN naming a folder of photographs of 768x512 or more.
Cost: 25 minutes of outer steps, whatever the machine, and then two rounds of 48 fits of 20 passes over a picture.
"""

from meta_init.family import siren

RECIPE = siren("siren_015", 0.15)
