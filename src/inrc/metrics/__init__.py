"""Measures of how far a decoded picture is from its original: mse, PSNR, SSIM and MS-SSIM.

`mse`, `psnr_db`, `ssim` and `ms_ssim` take integer pixels [H, W, C] and give a float. `ssim_index` and
`ms_ssim_index` are the same measures on float arrays [C, H, W], for use inside jit, grad and vmap.
"""

from inrc.metrics.psnr import mse as mse
from inrc.metrics.psnr import psnr_db as psnr_db
from inrc.metrics.ssim import ms_ssim as ms_ssim
from inrc.metrics.ssim import ms_ssim_index as ms_ssim_index
from inrc.metrics.ssim import ssim as ssim
from inrc.metrics.ssim import ssim_index as ssim_index
