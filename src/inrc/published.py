"""Published systems of implicit image coding as presets: networks, training, and how weights are stored.

Each says in `about` what it has in common with the publication and what differs here. What differs in all of them:
pixels are sampled at their centres and both axes span [-1, 1]; outputs are centred at 0 and span [-1, 1]; the file says
everything that a decoder needs; all integers go through this project's range coder. Effort 9 is the published schedule;
lower efforts see the picture less often, in minibatches, with the same stages in proportion.
"""

import dataclasses

from inrc.config import EncodingConfig, EncodingKind, HashGridEncoding, ModelFamily, WeightStorage
from inrc.preset import CoordinateCodec, Rung
from inrc.training import RateCurve, RateStage, Restart, Training, in_shares

_LOG_SPACED = EncodingConfig(EncodingKind.LOG_SPACED, 16)
"""The encoding of Strümpler et al., NIF and the tutorial: raw coordinates and 16 frequencies of ratio 1.4."""

_HASH_LEVELS = 16

_CONSTANT = (RateStage(1.0, 1.0, 1.0, RateCurve.LINEAR),)


def _constant_widths(*sizes: tuple[int, int]) -> tuple[Rung, ...]:
    return tuple(Rung((width,) * n_layers) for n_layers, width in sizes)


COIN = CoordinateCodec(
    "coin",
    "SIREN of constant width on bare coordinates, weights as 16-bit floats (COIN, Dupont 2021)",
    ModelFamily.SIREN,
    EncodingConfig(EncodingKind.NONE),
    ladder=_constant_widths((5, 20), (5, 30), (10, 28), (10, 40), (13, 49)),
    storage=WeightStorage.HALF,
    bits_per_weight=13.4,
    colour="RGB",
    training=Training(50_000, 1, 2e-4, _CONSTANT, measured_from=0.5),
    year=2021,
    about=(
        "Dupont et al., COIN: Compression with Implicit Neural Representations. The same: five networks, sine layers "
        "with omega_0 = 30, Adam at 2e-4 for 50,000 steps on whole pictures, squared error, weights as binary16, the "
        "best state of the second half. Different: COIN divides both axes by the height, so that x reaches 2.0 on a "
        "landscape picture; the last layer starts at the picture's mean, since random last layers first unlearn "
        "themselves; binary16 numbers are range-coded without loss, which takes about 13.4 bits a weight instead of "
        "16."
    ),
)

_STRUEMPLER_TRAINING = Training(
    25_300,
    1,
    5e-4,
    in_shares((RateStage(25_000), RateStage(300, 0.002, 0.002))),
    weight_l1=1e-5 / 4,
    weight_bits=8,
    hard_from=25_000 / 25_300,
    adaround=True,
)

STRUEMPLER = CoordinateCodec(
    "strumpler",
    "SIREN on log-spaced frequencies, 8 bits, AdaRound, entropy coding (Strümpler 2022)",
    ModelFamily.SIREN,
    _LOG_SPACED,
    ladder=_constant_widths((4, 32), (4, 48), (4, 64), (4, 96), (4, 128)),
    bits_per_weight=7.2,
    colour="RGB",
    training=_STRUEMPLER_TRAINING,
    year=2022,
    about=(
        "Strümpler et al., Implicit Neural Representations for Image Compression, the basic variant. The same: five "
        "networks of four sine layers, Adam at 5e-4 for 25,000 steps on whole pictures, 1e-5 times the sum of all "
        "magnitudes (a quarter of it here, since squared errors on [0, 1] are a quarter of those on [-1, 1]), 8 bits "
        "for every matrix, AdaRound with 1,000 steps a layer, 300 steps of quantisation-aware training at 1e-6, and "
        "the better of both. Different: the learning rate falls along a cosine, where the paper halves it on plateaus, "
        "so that pictures of a batch share a schedule; weights are rounded in training first and by AdaRound "
        "afterwards; tables of the range coder adapt, where the paper's file holds a frequency table of 288 to 384 "
        "bytes."
    ),
)

STRUEMPLER_META = dataclasses.replace(
    STRUEMPLER,
    name="strumpler-meta",
    summary="the same as differences from a meta-learned start, 7 bits (Strümpler 2022)",
    bits_per_weight=5.9,
    colour=None,
    training=dataclasses.replace(_STRUEMPLER_TRAINING, weight_bits=7),
    about=(
        "Strümpler et al., Implicit Neural Representations for Image Compression, the meta-learned variant. The same: "
        "a start that is learned by MAML with a rate for every weight and step, of which a fit takes three steps "
        "before its own; L1 on the differences from it, 7 bits for these, and all else of `strumpler`. Different: two "
        "starts come with this project, for photographs (5,411 weights) and for pictures of about 64x64 (4,771 "
        "weights), learned on its own training photographs in hours of one core, where the paper takes 30 epochs of "
        "DIV2K for each of five sizes; other sizes have no start, and are those of `strumpler` with 7 bits. "
        "Differences are coded under prior scales that were learned for every weight; outputs are YCbCr; there is no "
        "warm-up of 100 steps."
    ),
)


def _restart(progress: float, fractions: tuple[float, float], radii: tuple[float, float], *powers: float) -> Restart:
    """The restart of NIF and NIF25 after a part of the cycles: from the best weights so far.

    The published code masks the noise by dropout, which divides what is left by the fraction; so does the radius here.

    Args:
      progress: cycles done over all cycles.
      fractions: of the weights that move, at no progress and at full progress.
      radii: of the noise in units of the mean magnitude, likewise.
      *powers: of the progress, for the fractions and the radii.
    """
    fraction, radius = (
        start + (end - start) * progress**power for (start, end), power in zip((fractions, radii), powers, strict=True)
    )
    return Restart(fraction, radius / fraction, from_best=True)


_BEST = Restart(0.0, 0.0, from_best=True)
"""A stage that starts from the best weights so far, without noise."""


def _nif_stages() -> tuple[RateStage, ...]:
    """Ten cycles of 600 updates and five of 160 with rounded weights."""
    stages = []
    for cycle in range(10):
        restart = _restart(cycle / 10, (0.125, 0.7), (0.9, 0.2), 0.05, 0.2) if cycle else None
        peak = 0.99**cycle
        stages.append(RateStage(600, peak, 0.6 * peak, RateCurve.LINEAR, warm_up=20 / 150, restart=restart))
    rounded = RateStage(160, 0.05, 0.02, RateCurve.LINEAR)
    stages += [dataclasses.replace(rounded, restart=_BEST), *[rounded] * 4]
    return in_shares(tuple(stages))


NIF = CoordinateCodec(
    "nif",
    "tapered SIREN whose frequency is modulated from place to place, with restarts (NIF, Catania 2023)",
    ModelFamily.SIREN,
    _LOG_SPACED,
    ladder=(
        Rung((120, 40, 28, 16), (16, 8)),
        Rung((200, 64, 40, 20), (64, 16, 8)),
        Rung((280, 100, 48, 16), (64, 16, 8)),
        Rung((360, 150, 70, 32), (64, 16, 8)),
        Rung((450, 220, 85, 32), (64, 16, 8)),
    ),
    bits_per_weight=6.8,
    colour="RGB",
    training=Training(
        1_700,
        2,
        1e-3,
        _nif_stages(),
        weight_decay=1e-4,
        loss="log-cosh-ssim",
        weight_bits=8,
        hard_from=6_000 / 6_800,
        measured_from=0.0,
    ),
    year=2023,
    about=(
        "Catania and Allegra, NIF: A Fast Implicit Image Compression with Bottleneck Layers and Modulated Sinusoidal "
        "Activations. The same: networks and modulators, AdamW, four interleaved sub-pictures, ten cycles of 150 "
        "passes with restarts, log-cosh + 0.01 (1 - SSIM) on sub-pictures, 8 bits for every matrix, five cycles of 40 "
        "passes with rounded weights. Different: a restart begins with the best weights of all cycles, as a file would "
        "hold them, where NIF takes the best of the last cycle; weights are rounded to the nearest level, where NIF "
        "cuts them off towards 0; restarts within the rounded cycles, whose radius is 0.005 at most, are left out; "
        "integers are range-coded, where NIF compresses them by brotli within a pickle of about 1,000 bytes."
    ),
)


def _nif25_stages() -> tuple[RateStage, ...]:
    """Thirty cycles of 200 updates and 40 at a low rate, then 1,000 with rounded weights."""
    stages = []
    for cycle in range(30):
        moved = _restart(cycle / 30, (0.5, 0.35), (0.3, 0.0), 0.4, 0.95)
        restart = dataclasses.replace(moved, moves_first=True) if cycle else None
        stages.append(RateStage(200, 0.96**cycle, 0.05, RateCurve.LINEAR, warm_up=5 / 50, restart=restart))
        stages.append(RateStage(40, 0.004, 0.004, RateCurve.LINEAR))
    stages.append(RateStage(1_000, 0.004, 0.004, RateCurve.LINEAR, restart=_BEST))
    return in_shares(tuple(stages))


NIF25 = CoordinateCodec(
    "nif25",
    "tapered SIREN without biases, sampled phases, companded weights, restarts (NIF25, Catania 2025)",
    ModelFamily.SIREN,
    _LOG_SPACED,
    bias=False,
    ladder=(
        Rung((64, 39, 24, 17, 16)),
        Rung((176, 77, 41, 32, 32)),
        Rung((240, 100, 56, 48, 48)),
        Rung((320, 157, 89, 68, 64, 64)),
    ),
    sampled_phases=True,
    storage=WeightStorage.COMPANDED,
    bits_per_weight=5.9,
    colour="YCBCR",
    training=Training(
        2_050,
        2,
        1e-3,
        _nif25_stages(),
        weight_decay=1e-5,
        loss="log-cosh",
        weight_bits=7,
        hard_from=7_200 / 8_200,
        measured_from=0.0,
    ),
    year=2025,
    about=(
        "Catania and Allegra, the successor of NIF (preprint, 2025), its preset for PSNR. The same: networks, phases "
        "and periods, YCbCr, AdamW, four interleaved sub-pictures, thirty cycles of 50 passes that restart from the "
        "best state and end with ten at 4e-6, log-cosh, companded weights, 250 passes with rounded weights. Different: "
        "all matrices have 7 bits, where the paper searches one number of bits for each picture (its own table has 7 "
        "bits at 0.129 bpp and 27.15 dB, the search at 0.127 and 27.13); the best weights are those whose rounded form "
        "has the lowest loss, in all passes, where the paper selects once by unrounded weights, for restarts, and once "
        "by rounded ones; moments of AdamW stay at a restart; channels have equal weights; pictures are not padded; "
        "means of channels are left to the network."
    ),
)

TUTORIAL = CoordinateCodec(
    "tutorial",
    "SIREN 3 x 128 on log-spaced frequencies, 120 steps, 8 bits (the tutorial of ICIP 2024)",
    ModelFamily.SIREN,
    _LOG_SPACED,
    ladder=_constant_widths((3, 128)),
    bits_per_weight=7.1,
    colour="RGB",
    training=Training(
        120,
        1,
        1e-3,
        in_shares((RateStage(50, 1.0, 0.1), RateStage(50, 0.1, 1.0), RateStage(20, 1.0, 0.689))),
        weight_bits=8,
        hard_from=100 / 120,
    ),
    year=2024,
    about=(
        "Catania and Allegra, the codec of the ICIP 2024 tutorial on implicit image representations, in its default "
        "configuration. The same: the network, Adam at 1e-3 for 100 steps on whole pictures and 20 with rounded "
        "weights, a cosine of period 100 (it ends at its peak), squared error, 8 bits for every matrix. Different: the "
        "tutorial's coordinates span [0, 1] and its outputs [0, 1]."
    ),
)


def _hash_rung(log2_entries: int, width: int) -> Rung:
    return Rung((width, width), encoding=HashGridEncoding(_HASH_LEVELS, 2, log2_entries, coarsest=8, growth=5))


HASH_GRID = CoordinateCodec(
    "hash-grid",
    "small ReLU network on multi-resolution hash tables (Instant-NGP, Müller 2022)",
    ModelFamily.HASH_GRID,
    HashGridEncoding(_HASH_LEVELS, 2, 12, coarsest=8, growth=5),
    ladder=tuple(map(_hash_rung, range(4, 17), (8, 8, 8, 12, 16, 24, 24, 32, 32, 48, 64, 64, 64))),
    bits_per_weight=3.8,
    year=2022,
    about=(
        "Müller et al., Instant Neural Graphics Primitives with a Multiresolution Hash Encoding, as an image codec. "
        "The same: tables of two features, the spatial hash, linear interpolation, two hidden ReLU layers, tables that "
        "start at U(-1e-4, 1e-4). Different: the paper stores no files and has 2^15 entries and more; here tables have "
        "at most 16 to 65,536 entries and layers 8 to 64 units, by the rate. Nodes lie on the picture's edges, cells "
        "are squares, and levels finer than two pixels are left out. Tables are quantised with the rate in the loss "
        "and range-coded. SOAP at 2e-2 trains them, 0.4 dB better than the paper's Adam."
    ),
)

SYSTEMS = (COIN, STRUEMPLER, STRUEMPLER_META, NIF, NIF25, TUTORIAL, HASH_GRID)
"""Published systems whose sizes, and all but one whose training, are their own; `inrc.presets` has the others."""
