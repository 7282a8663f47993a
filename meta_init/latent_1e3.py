"""Networks of latent grids at lambda 1e-3, on the pool's own latents from the first step.

Command: inrc meta train meta_init/latent_1e3.py, with INRC_TRAIN naming a folder of photographs of 256x256 or more.
Cost: 164 crops x 560 steps of 18 ms, half an hour of one core, and two rounds of 20 fits of 400 steps.
"""

from inrc.meta.recipe import PoolLearning
from meta_init.latent_family import latent

RECIPE = latent("latent_1e3", PoolLearning(560, 1e-3))
