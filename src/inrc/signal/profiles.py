"""Which ICC profile a picture may have: the one place where the space of a profile is checked against the channels.

It holds for pictures that are read and for pictures that are written. A profile of gray on RGB pixels becomes one of
RGB with the same curve; the gray axis means the same. A profile of RGB on gray pixels becomes one of gray with the same
curve. Either becomes none where that is the curve of sRGB. What has no such counterpart (tables in place of a curve,
channels with different curves) and every other space, as CMYK, is left out: it does not speak of these pixels.
"""

from __future__ import annotations

from inrc.signal import icc
from inrc.signal.channels import has_alpha
from inrc.signal.curves import is_srgb


def fitted(profile: bytes, n_channels: int) -> bytes:
    """Returns the profile, or its counterpart, that fits pixels of so many channels; empty where there is none.

    Args:
        profile: An ICC profile, or empty.
        n_channels: 1 to 4, alpha included.
    """
    present = icc.colour_space(profile)
    wanted = icc.GRAY if n_channels - has_alpha(n_channels) == 1 else icc.RGB
    if present == wanted:
        return profile
    if present == icc.GRAY and (curve := icc.tag(profile, b"kTRC")):
        return b"" if is_srgb(curve) else icc.rgb_profile(curve, icc.SRGB_CHROMATICITIES)
    if present == icc.RGB:
        curves = {icc.tag(profile, name) for name in (b"rTRC", b"gTRC", b"bTRC")}
        curve = curves.pop()
        if not curves and curve and not is_srgb(curve):
            return icc.gray_profile(curve)
    return b""
