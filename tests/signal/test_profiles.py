"""Profiles fit the pixels that are read and written: kept, turned into their counterpart, or left out."""

import io
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as PillowImage
from PIL import ImageCms

from inrc.signal import coded_colours, icc
from inrc.signal.curves import SRGB, Curve, is_srgb, parametric_tag
from inrc.signal.image import Image, encode_image, read_image
from inrc.signal.profiles import fitted
from tests.signal.samples import SRGB_PROFILE, pillow_bytes, random_pixels, tiff_bytes

CURVE = parametric_tag(Curve(1.8))
GRAY = icc.gray_profile(CURVE)
RGB = icc.rgb_profile(CURVE, icc.SRGB_CHROMATICITIES)
LAB = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()


def with_header(profile, start, value):
    return profile[:start] + value + profile[start + len(value) :]


CMYK = with_header(RGB, 16, b"CMYK")
LINK = with_header(RGB, 12, b"link")
TABLES_ONLY = RGB.replace(b"rTRC", b"A2B0", 1)
UNLIKE = bytearray(RGB)
_GREEN = UNLIKE.index(b"gTRC")
UNLIKE[_GREEN + 4 : _GREEN + 12] = UNLIKE[UNLIKE.index(b"rXYZ") + 4 : UNLIKE.index(b"rXYZ") + 12]


@pytest.mark.parametrize(
    ("profile", "gray", "rgb"),
    [
        (b"", b"", b""),
        (GRAY, GRAY, RGB),
        (RGB, GRAY, RGB),
        (SRGB_PROFILE, b"", SRGB_PROFILE),
        (icc.gray_profile(parametric_tag(SRGB)), icc.gray_profile(parametric_tag(SRGB)), b""),
        (CMYK, b"", b""),
        (LAB, b"", b""),
        (LINK, b"", b""),
        (TABLES_ONLY, b"", TABLES_ONLY),
        (bytes(UNLIKE), b"", bytes(UNLIKE)),
        (b"no profile", b"", b""),
        (bytes(200), b"", b""),
    ],
)
def test_the_rule(profile, gray, rgb):
    assert [fitted(profile, channels) for channels in (1, 2, 3, 4)] == [gray, gray, rgb, rgb]


@pytest.mark.parametrize("format_name", ["png", "tiff", "jpeg", "webp"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("profile", [GRAY, RGB, SRGB_PROFILE, CMYK], ids=["gray", "rgb", "srgb", "cmyk"])
def test_other_programs_find_a_profile_of_the_space_that_is_written(format_name, channels, profile):
    if format_name == "jpeg" and channels in (2, 4):
        return
    data = encode_image(Image(random_pixels(4, 5, channels), profile), format_name)
    with PillowImage.open(io.BytesIO(data)) as picture:
        written = picture.info.get("icc_profile") or b""
        is_gray = picture.mode in ("L", "LA")
    assert is_gray == (channels <= 2 and format_name != "webp")
    assert written == fitted(profile, 1 if is_gray else 3)
    assert icc.colour_space(written) in (b"", icc.GRAY if is_gray else icc.RGB)


@pytest.mark.parametrize("format_name", ["PNG", "JPEG", "TIFF"])
def test_gray_files_with_a_profile_of_rgb(format_name):
    picture = PillowImage.fromarray(random_pixels(6, 5, 1)[..., 0])
    if format_name == "TIFF":
        files = [
            tiff_bytes(np.asarray(picture), photometric="minisblack", iccprofile=profile)
            for profile in (RGB, SRGB_PROFILE, CMYK)
        ]
    else:
        files = [pillow_bytes(picture, format_name, icc_profile=profile) for profile in (RGB, SRGB_PROFILE, CMYK)]
    assert [read_image(data).icc_profile for data in files] == [GRAY, b"", b""]


def test_gray_means_the_same_light_under_either_profile():
    """Every gray has the same lightness by littleCMS, under its profile and under that of WebP's RGB pixels."""
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    lab = ImageCms.createProfile("LAB", 5000)
    lightness = []
    for profile, picture in (
        (GRAY, PillowImage.fromarray(ramp)),
        (fitted(GRAY, 3), PillowImage.fromarray(ramp).convert("RGB")),
    ):
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        found = ImageCms.applyTransform(picture, ImageCms.buildTransform(source, lab, picture.mode, "LAB"))
        assert found is not None
        lightness.append(np.array(found).astype(int))
    assert np.abs(lightness[0][..., 0] - lightness[1][..., 0]).max() <= 1
    assert np.unique(lightness[1][..., 1:]).tolist() == [0]


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 400), st.sampled_from([GRAY, RGB, SRGB_PROFILE]), st.integers(1, 4))
def test_damaged_profiles_never_fail(noise, place, profile, channels):
    damaged = with_header(profile, place % len(profile), noise)
    for candidate in (damaged, damaged[:place], noise):
        result = fitted(candidate, channels)
        assert icc.colour_space(result) in (b"", icc.GRAY if channels <= 2 else icc.RGB)


def test_a_negative_power_of_zero_is_a_curve_of_another_space():
    assert Curve(-1.0)(np.array([0.0, 0.5, 1.0])).tolist() == [1, 1, 1]
    assert not is_srgb(parametric_tag(Curve(-1.0)))


def test_a_table_of_tags_that_claims_too_much_is_read_to_its_end():
    claimed = with_header(GRAY, 128, struct.pack(">I", 2**32 - 1))
    assert icc.tag(claimed, b"none") == b""
    assert coded_colours.of_gamma(float("nan"), None, gray=True) == b""
