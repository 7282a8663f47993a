"""Losses by name: those of Catania and Allegra's study, and what inrc makes of them.

The weights of the study are for signals in [-1, 1]. In [0, 1] a pointwise term of a mix keeps its weight here, and that
of 1 - SSIM is divided by 4 beside the mse and by 2 beside l1; beside log-cosh, which takes twice the error, it stays. A
loss may be scaled as a whole, since lambda is multiplied by its slope.
"""

from inrc.config import LossConfig

# Section 9 of experiments/NOTES.md compares some of these at equal bytes.
DEFAULT_LOSS = "mse"

LOSSES = {
    "mse": LossConfig(),
    "l1": LossConfig(mse=0.0, l1=1.0),
    "log-cosh": LossConfig(mse=0.0, log_cosh=1.0),
    "charbonnier": LossConfig(mse=0.0, charbonnier=1.0),
    # NIF's default is log-cosh + 0.01 (1 - SSIM); its ablation has mse + 0.01 (1 - SSIM) and l1 + 0.01 (1 - SSIM).
    "log-cosh-ssim": LossConfig(mse=0.0, log_cosh=1.0, ssim=0.01),
    "mse-ssim": LossConfig(ssim=0.0025),
    "l1-ssim": LossConfig(mse=0.0, l1=1.0, ssim=0.005),
    # NIF's default with half a square for log-cosh: 2 mse + 0.01 (1 - SSIM), halved.
    "visual": LossConfig(ssim=0.005),
    # NIF25's choice for MS-SSIM is 0.8 l1 + 0.2 (1 - SSIM); it compares 0.8 mse + 0.2 (1 - SSIM).
    "l1-ssim-heavy": LossConfig(mse=0.0, l1=0.8, ssim=0.1),
    "mse-ssim-heavy": LossConfig(mse=0.8, ssim=0.05),
    # These two have the numbers of NIF25's choice in [0, 1]: twice as much of the structural term.
    "ssim": LossConfig(mse=0.0, l1=0.8, ssim=0.2),
    "msssim": LossConfig(mse=0.0, l1=0.8, ms_ssim=0.2),
    # The study has these terms without weights. Neither sees the mean of a picture, hence the mse. With more bits the
    # gradient's part falls as much as the mse. That of the total variation falls an eighth as much: noise has total
    # variation, too, and at twice the weight a fit loses 1 dB of PSNR, and SSIM as well.
    "gradient": LossConfig(gradient=4.0),
    "total-variation": LossConfig(total_variation=0.01),
}
"""Losses by name."""
