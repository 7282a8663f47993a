"""Published systems of latent grids as presets: their networks as near as files can hold them, their training as data.

Facts are from the papers and from the code that their authors released. What differs is in `about`.
"""

from inrc.config import LatentGridConfig
from inrc.preset import LatentCodec
from inrc.training import LatentNoise, LatentRounding, LatentTraining, LatentTrainingStage, SoftRounding

COOL_CHIC = LatentCodec(
    "cool-chic",
    "pyramid of latents, a context network, a wide pixel-wise synthesis (COOL-CHIC, Ladune 2023)",
    LatentGridConfig(n_hyper=0, n_cross=0, n_cross_levels=0, synthesis_width=40, n_residual=0, refinement=False),
    LatentTraining(
        # The paper's code halves the rate where 1,500 steps have brought nothing, takes to rounding below 9e-4, and
        # ends below 4e-4, or after a million steps. How many it took is not published: here there are 30,000, half of
        # them at the first rate.
        stages=(
            LatentTrainingStage(15_000, (1e-2, 1e-2), noise=(1.0, 1.0)),
            LatentTrainingStage(3_750, (5e-3, 5e-3), noise=(1.0, 1.0)),
            LatentTrainingStage(3_750, (2.5e-3, 2.5e-3), noise=(1.0, 1.0)),
            LatentTrainingStage(3_750, (1.25e-3, 1.25e-3), noise=(1.0, 1.0)),
            LatentTrainingStage(3_750, (6.25e-4, 6.25e-4), hard=True),
        ),
        rounding=LatentRounding(LatentNoise.UNIFORM, SoftRounding.NONE, paired=False),
        gain=1.0,
        gain_per_level=2.0,
        clip_norm=10.0,
        n_starts=5,
        start_steps=200,
    ),
    about=(
        "Ladune et al., COOL-CHIC: Coordinate-based Low Complexity Hierarchical Image Codec; the first paper, version "
        "1.0 of its code. The same: 7 grids, 12 causal neighbours, a residual context network with two hidden layers "
        "of 12; squared error + lambda * bits of the latents alone; one Adam at 1e-2 for all, latents in units that "
        "double from grid to grid; uniform noise, then rounding with the gradient of the identity from a rate of "
        "6.25e-4 on; the whole gradient clipped at 10; the best of five starts of 200 steps; steps of the networks "
        "searched afterwards. Different: rates are halved at fixed shares of the steps, where the paper waits for "
        "1,500 steps without a gain and goes back to the best state; the number of steps is not published, and effort "
        "9 takes 30,000. Grids keep their first units, which the paper learns from there on. One hidden layer of 40 "
        "per pixel with a linear path beside it stands for two of 12, since files know no second one; the context "
        "network has a linear path, too, and neighbours that wavefronts allow, up to 3 away. Upsampling starts as the "
        "paper's bicubic one and is learned. The clamp to [0, 1] lets the gradient pass, so that bright pictures do "
        "not end as a constant. Each matrix has a step of its own, biases included, and networks start at this "
        "project's first weights. The context network runs on integers, so that files decode on other machines, which "
        "the paper's do not."
    ),
    year=2023,
)

C3 = LatentCodec(
    "c3",
    "pyramid of latents, more neighbours, 3x3 layers at the end (C3, Kim 2024)",
    LatentGridConfig(n_hyper=0, n_spatial=14, n_cross=0, n_cross_levels=0, synthesis_width=32, refinement=False),
    LatentTraining(
        stages=(
            LatentTrainingStage(100_000, (1e-2, 0.0), temperature=(0.3, 0.1), noise=(2.0, 1.0)),
            # The paper multiplies the rate by 0.8 after 20 steps without a gain, goes back to the best, and ends below
            # 1e-8 or after 10,000 steps.
            LatentTrainingStage(10_000, (1e-4, 1e-8), temperature=(1e-4, 1e-4), hard=True),
        ),
        rounding=LatentRounding(
            LatentNoise.KUMARASWAMY, SoftRounding.CONDITIONAL_MEAN, soft_gradient=True, paired=False
        ),
        gain=1 / 0.4,
        gain_per_level=2.0,
        clip_norm=0.1,
    ),
    about=(
        "Kim et al., C3: High-Performance and Low-Complexity Neural Compression from a Single Image or Video; images, "
        "at the one fixed size, where C3-adaptive chooses among twelve. The same: 7 grids; squared error + lambda * "
        "bits of the latents alone; 100,000 steps of Adam from 1e-2 to 0 by a cosine, with a quantisation step of 0.4 "
        "in units that double from grid to grid; soft rounding from a temperature of 0.3 to 0.1, Kumaraswamy noise "
        "with a from 2 to 1, and a second soft rounding that is a conditional mean; then up to 10,000 steps on "
        "rounded latents with the gradient of soft rounding at 1e-4, from a rate of 1e-4; the whole gradient clipped "
        "at 0.1; steps of the networks searched afterwards; two residual 3x3 layers at the end. Different: the rate "
        "of the last stage falls by a cosine to 1e-8, where the paper lowers it after 20 steps without a gain and "
        "goes back to the best. Files know ReLU, not GELU; at most 14 neighbours that wavefronts allow, not the 24 of "
        "a 7x7 window; a residual context network of 14 with a linear path, not one of 18; one hidden layer of 32 per "
        "pixel with a linear path beside it, not two of 18. Upsampling doubles from grid to grid by a learned kernel "
        "that starts as bicubic, not from each grid to the picture by a fixed bilinear one. The clamp to [0, 1] lets "
        "the gradient pass, so that bright pictures do not end as a constant. Each matrix has a step of its own, "
        "biases included, and networks start at this project's first weights. C3 writes no files."
    ),
    year=2024,
)
