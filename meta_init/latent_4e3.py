"""Networks of latent grids at lambda 4e-3, learned from those at 1e-3.

Command: inrc meta train meta_init/latent_4e3.py, once latent_1e3.py has run, with INRC_TRAIN as it was.
Cost: 900 steps of 8 crops of 18 ms, 2 minutes of one core, and two rounds of 20 fits of 400 steps.
"""

from meta_init.latent_family import from_first

RECIPE = from_first("latent_4e3", 4e-3, 900)
