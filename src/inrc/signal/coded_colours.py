"""Colours that are stated by numbers in place of a profile: the code points of ITU-T H.273, gamma and chromaticities.

Each becomes an equal ICC profile, the one form in which inrc carries colours; sRGB becomes none. PQ and HLG (ITU-R
BT.2100) have more light than a profile of a display can say. Their profiles hold the code points for programs that know
them, and for all others a curve on which the reference white of ITU-R BT.2408, 203 cd/m2, is white.
"""

from __future__ import annotations

import numpy as np

from inrc.signal import icc
from inrc.signal.curves import SRGB, Curve, parametric_tag, sampled_tag
from inrc.signal.icc import D65, Chromaticities

_C = (0.310, 0.316)  # the white of the standard illuminant C
_PRIMARIES = {  # H.273, table 2
    1: icc.SRGB_CHROMATICITIES,
    4: Chromaticities((0.67, 0.33), (0.21, 0.71), (0.14, 0.08), _C),
    5: Chromaticities((0.64, 0.33), (0.29, 0.60), (0.15, 0.06), D65),
    6: Chromaticities((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), D65),
    7: Chromaticities((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), D65),
    8: Chromaticities((0.681, 0.319), (0.243, 0.692), (0.145, 0.049), _C),
    9: Chromaticities((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), D65),
    11: Chromaticities((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), (0.314, 0.351)),
    12: Chromaticities((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), D65),
    22: Chromaticities((0.630, 0.340), (0.295, 0.605), (0.155, 0.077), D65),
}
_BT709 = Curve(1 / 0.45, 1 / 1.099, 0.099 / 1.099, 1 / 4.5, 0.081)
_TRANSFERS = {  # H.273, table 3, inverted: from a sample to light
    **dict.fromkeys((1, 6, 11, 12, 14, 15), _BT709),
    4: Curve(2.2),
    5: Curve(2.8),
    7: Curve(1 / 0.45, 1 / 1.1115, 0.1115 / 1.1115, 1 / 4, 0.0912),
    8: Curve(1.0),
    13: SRGB,
    17: Curve(2.6, (52.37 / 48) ** (1 / 2.6)),
}
_SRGB_TRANSFER, _PQ, _HLG = 13, 16, 18
_REFERENCE_WHITE = 203.0  # cd/m2, of PQ; 75 % of the signal of HLG
_CURVE_SAMPLES = 128  # 0.3 % from PQ between them
_SRGB_TOLERANCE = 0.001  # of chromaticities, as in libpng
_GAMMA_TOLERANCE = 0.01  # of 1 / 2.2, which stands for sRGB: 0.45 and 0.45455 are written for it


def of_code_points(
    primaries: int, transfer: int, matrix: int, full_range: int, *, gray: bool, bit_depth: int
) -> bytes | None:
    """Returns the profile of H.273 code points, empty for sRGB, None for code points that name no RGB colours.

    Args:
        primaries: ColourPrimaries; its chromaticities do not matter where the picture is gray.
        transfer: TransferCharacteristics.
        matrix: MatrixCoefficients, which must be 0: the samples are RGB.
        full_range: VideoFullRangeFlag; 0 where black is at 16 and white at 235 of 255.
        gray: Whether the picture is gray.
        bit_depth: 8 or 16, of the samples, for the range.
    """
    chromaticities = icc.SRGB_CHROMATICITIES if gray else _PRIMARIES.get(primaries)
    if matrix != 0 or full_range not in (0, 1) or chromaticities is None:
        return None
    scale, offset = 1.0, 0.0
    if not full_range:
        scale = (2**bit_depth - 1) / (219 * 2 ** (bit_depth - 8))
        offset = -16 / 219
    coding_points: tuple[int, ...] = ()
    if transfer in (_PQ, _HLG):
        signal = np.clip(np.linspace(0, 1, _CURVE_SAMPLES) * scale + offset, 0, 1)
        curve = sampled_tag((_pq if transfer == _PQ else _hlg)(signal))
        coding_points = () if gray else (primaries, transfer, matrix, full_range)
    elif transfer not in _TRANSFERS:
        return None
    elif full_range and transfer == _SRGB_TRANSFER and chromaticities == icc.SRGB_CHROMATICITIES:
        return b""
    else:
        curve = parametric_tag(_TRANSFERS[transfer].of_scaled(scale, offset))
    return icc.gray_profile(curve) if gray else icc.rgb_profile(curve, chromaticities, coding_points)


def primaries_of(chromaticities: Chromaticities) -> int | None:
    """Returns the ColourPrimaries of H.273 that have these chromaticities, up to rounding; None where none have."""
    for code, known in _PRIMARIES.items():
        if np.abs(np.subtract(chromaticities, known)).max() <= _SRGB_TOLERANCE:
            return code
    return None


def of_gamma(gamma: float | None, chromaticities: Chromaticities | None, *, gray: bool) -> bytes:
    """Returns the profile of a gamma and of chromaticities, empty for those of sRGB.

    Args:
        gamma: The exponent from light to samples, as 1 / 2.2; the curve of sRGB where it is None or of no use.
        chromaticities: Those of sRGB where it is None or of no use.
        gray: Whether the picture is gray.
    """
    if gamma is not None and not 0.01 <= gamma <= 100:
        gamma = None
    if gray or chromaticities is None or not icc.is_usable(chromaticities):
        chromaticities = icc.SRGB_CHROMATICITIES
    near_srgb = np.abs(np.subtract(chromaticities, icc.SRGB_CHROMATICITIES)).max() <= _SRGB_TOLERANCE
    if near_srgb and (gamma is None or abs(gamma * 2.2 - 1) <= _GAMMA_TOLERANCE):
        return b""
    curve = parametric_tag(SRGB if gamma is None else Curve(1 / gamma))
    return icc.gray_profile(curve) if gray else icc.rgb_profile(curve, chromaticities)


def _pq(signal: np.ndarray) -> np.ndarray:
    """Light relative to the reference white, of a signal in [0, 1] (BT.2100, table 4)."""
    m1, m2, c1, c2, c3 = 1305 / 8192, 2523 / 32, 107 / 128, 2413 / 128, 2392 / 128
    power = signal ** (1 / m2)
    return 10000 / _REFERENCE_WHITE * (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1)


def _hlg(signal: np.ndarray) -> np.ndarray:
    """Light relative to the reference white on a display of 1000 cd/m2 (BT.2100, table 5), gray by gray."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    return 1000 / _REFERENCE_WHITE * scene**1.2
