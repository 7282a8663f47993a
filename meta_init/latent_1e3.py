"""Networks of latent grids at lambda 1e-3, learned from random ones.

Command: inrc meta train meta_init/latent_1e3.py, with INRC_TRAIN naming a folder of photographs of 256x256 or more.
Cost: 2,700 steps of 8 crops of 18 ms, 7 minutes of one core, and two rounds of 20 fits of 400 steps.
"""

from inrc.meta.stages import PoolLearning
from meta_init.latent_family import latent

RECIPE = latent("latent_1e3", PoolLearning(2700, 1e-3))
