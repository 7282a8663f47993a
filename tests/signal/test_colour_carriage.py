"""Colours that PNG and BMP state without a profile look the same after a round trip, in CIELAB by littleCMS."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage
from PIL import ImageCms

from inrc.signal import coded_colours, icc
from inrc.signal.curves import SRGB, Curve, is_srgb, parametric_tag, sampled_tag
from inrc.signal.image import encode_image, read_image
from tests.signal.samples import SRGB_PROFILE, chunk, hand_made_png

# Published matrices from linear RGB to XYZ under D65: SMPTE EG 432-1 (Display P3), BT.2087 (BT.2020), IEC 61966-2-1.
TO_XYZ = {
    "p3": [[0.48657095, 0.26566769, 0.19821729], [0.22897456, 0.69173852, 0.07928691], [0.0, 0.04511338, 1.04394437]],
    "2020": [[0.63695805, 0.1446169, 0.16888098], [0.26270021, 0.67799807, 0.05930172], [0.0, 0.02807269, 1.06098506]],
    "srgb": [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]],
}
# Bradford from D65 to D50, as published by Lindbloom.
D65_TO_D50 = np.array(
    [[1.0478112, 0.0228866, -0.0501270], [0.0295424, 0.9904844, -0.0170491], [-0.0092345, 0.0150436, 0.7521316]]
)
PATCHES = np.array(
    [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [128, 128, 128], [40, 90, 200], [60, 40, 50]]
)


def srgb_curve(x):
    return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)


def bt709_curve(x):
    return np.where(x < 0.081, x / 4.5, ((x + 0.099) / 1.099) ** (1 / 0.45))


def linear(x):
    return x


def lab_by_hand(samples, space, curve):
    xyz = curve(samples / 255) @ np.array(TO_XYZ[space]).T @ D65_TO_D50.T / icc.D50
    f = np.where(xyz > 216 / 24389, np.cbrt(np.maximum(xyz, 0)), (24389 / 27 * xyz + 16) / 116)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1)


def lab_by_lcms(image):
    """CIELAB of an image's pixels under its profile: L in 0..100, a and b to the nearest integer."""
    profile = image.icc_profile or SRGB_PROFILE
    mode = "L" if image.channels == 1 else "RGB"
    lab = ImageCms.createProfile("LAB", 5000)
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    transform = ImageCms.buildTransform(source, lab, mode, "LAB", ImageCms.Intent.RELATIVE_COLORIMETRIC)
    picture = PillowImage.frombytes(mode, (image.width, image.height), image.pixels.tobytes())
    bands = ImageCms.applyTransform(picture, transform)
    assert bands is not None
    raw = np.array(bands).reshape(-1, 3).astype(float)
    signed = raw[:, 1:].astype(np.uint8).astype(np.int8)
    return np.concatenate([raw[:, :1] * 100 / 255, signed], axis=1)


def png(extra, samples=PATCHES):
    return hand_made_png(len(samples), 1, 8, 2, [samples.astype(np.uint8).tobytes()], extra)


def chrm(white, red, green, blue):
    return chunk(b"cHRM", struct.pack(">8I", *(round(value * 100000) for value in (*white, *red, *green, *blue))))


def gama(value):
    return chunk(b"gAMA", struct.pack(">I", value))


P3 = chrm((0.3127, 0.329), (0.68, 0.32), (0.265, 0.69), (0.15, 0.06))
SRGB_CHRM = chrm((0.3127, 0.329), (0.64, 0.33), (0.30, 0.60), (0.15, 0.06))


@pytest.mark.parametrize(
    ("extra", "space", "curve"),
    [
        (chunk(b"cICP", bytes([12, 13, 0, 1])), "p3", srgb_curve),
        (chunk(b"cICP", bytes([9, 14, 0, 1])), "2020", bt709_curve),
        (chunk(b"cICP", bytes([9, 1, 0, 1])), "2020", bt709_curve),
        (chunk(b"cICP", bytes([1, 8, 0, 1])), "srgb", linear),
        (chunk(b"cICP", bytes([1, 4, 0, 1])), "srgb", lambda x: x**2.2),
        (chunk(b"cICP", bytes([9, 14, 0, 1])) + P3 + gama(100000) + chunk(b"sRGB", b"\x00"), "2020", bt709_curve),
        (chunk(b"cICP", bytes([2, 2, 0, 1])) + P3 + gama(100000), "p3", linear),  # unspecified: the next chunk counts
        (chunk(b"cICP", bytes([9, 14, 1, 1])) + P3 + gama(100000), "p3", linear),  # not RGB, so not to be followed
        (P3 + gama(45455), "p3", lambda x: x**2.2),
        (P3, "p3", srgb_curve),
        (gama(100000), "srgb", linear),
        (SRGB_CHRM + gama(55556), "srgb", lambda x: x**1.8),
    ],
)
@pytest.mark.parametrize("format_name", ["png", "tiff", "webp"])
def test_stated_colours_look_the_same_after_a_round_trip(extra, space, curve, format_name):
    image = read_image(png(extra))
    assert 0 < len(zlib.compress(image.icc_profile, 9)) < 300
    expected = lab_by_hand(PATCHES, space, curve)
    back = read_image(encode_image(image, format_name))
    assert back.icc_profile == image.icc_profile
    inside = np.abs(expected[:, 1:]).max(axis=1) < 127
    assert inside.sum() >= 4
    np.testing.assert_allclose(lab_by_lcms(back)[inside], expected[inside], atol=1.01)


@pytest.mark.parametrize(
    "extra",
    [
        chunk(b"sRGB", b"\x00"),
        chunk(b"sRGB", b"\x00") + gama(100000) + P3,
        chunk(b"cICP", bytes([1, 13, 0, 1])),
        chunk(b"cICP", bytes([1, 13, 0, 1])) + gama(100000),
        SRGB_CHRM + gama(45455),
        SRGB_CHRM,
        gama(45455),
        gama(45000),
        gama(0),
        gama(2**31),
        chunk(b"cHRM", bytes(32)),
        chrm((0.3127, 0.329), (0.5, 0.5), (0.5, 0.5), (0.5, 0.5)),
        chunk(b"cHRM", b"\xff" * 32),
        chunk(b"cICP", b"\x01"),
    ],
)
def test_srgb_and_nonsense_are_no_profile(extra):
    assert read_image(png(extra)).icc_profile == b""


def test_a_profile_counts_before_numbers_and_after_code_points():
    embedded = chunk(b"iCCP", b"n\x00\x00" + zlib.compress(SRGB_PROFILE))
    assert read_image(png(embedded + P3 + gama(100000))).icc_profile == SRGB_PROFILE
    code_points = chunk(b"cICP", bytes([12, 13, 0, 1]))
    assert read_image(png(embedded + code_points)).icc_profile == read_image(png(code_points)).icc_profile
    damaged = chunk(b"iCCP", b"n\x00\x00" + zlib.compress(b"no profile"))
    assert read_image(png(damaged + P3)).icc_profile == read_image(png(P3)).icc_profile


@pytest.mark.parametrize("extra", [gama(100000), chunk(b"cICP", bytes([9, 8, 0, 1]))])
def test_gray_has_a_curve_and_no_primaries(extra):
    ramp = np.array([0, 30, 128, 200, 255])
    image = read_image(hand_made_png(5, 1, 8, 0, [ramp.astype(np.uint8).tobytes()], extra))
    assert icc.colour_space(image.icc_profile) == icc.GRAY
    expected = lab_by_hand(np.repeat(ramp[:, None], 3, axis=1), "srgb", linear)
    np.testing.assert_allclose(lab_by_lcms(image)[:, 0], expected[:, 0], atol=0.4)


@pytest.mark.parametrize("transfer", [13, 14, 4])
@pytest.mark.parametrize("depth", [8, 16])
def test_a_narrow_range_is_part_of_the_curve(transfer, depth):
    """Black at 16 and white at 235 of 255 mean what 0 and 255 mean otherwise."""
    narrow, full = (
        coded_colours.of_code_points(12, transfer, 0, is_full, gray=False, bit_depth=depth) for is_full in (0, 1)
    )
    assert narrow is not None
    assert full is not None
    samples = np.array([0.0, 0.1, 0.5, 0.9, 1.0])
    scale = 219 * 2 ** (depth - 8) / (2**depth - 1)
    stored = samples * scale + 16 * 2 ** (depth - 8) / (2**depth - 1)
    values = [curve_of(profile)(place) for profile, place in ((narrow, stored), (full, samples))]
    np.testing.assert_allclose(values[0], values[1], atol=2e-4)
    assert curve_of(narrow)(np.array([0.0, 1.0])).tolist() == [0.0, 1.0]


def curve_of(profile):
    tag = icc.tag(profile, b"rTRC")
    kind = struct.unpack_from(">H", tag, 8)[0]
    names = {0: "g", 3: "gabcd", 4: "gabcdef"}[kind]
    values = np.frombuffer(tag, ">i4", len(names), 12) / 65536
    return Curve(**dict(zip(names, values.tolist(), strict=True)))


@pytest.mark.parametrize(("transfer", "white_signal"), [(16, 0.5806888), (18, 0.75)])
def test_pq_and_hlg_keep_their_code_points_beside_a_curve(transfer, white_signal):
    """BT.2408, table 1: the reference white, 203 cd/m2, is 58 % of the signal of PQ and 75 % of that of HLG."""
    image = read_image(png(chunk(b"cICP", bytes([9, transfer, 0, 1]))))
    assert len(zlib.compress(image.icc_profile, 9)) < 600
    table = np.frombuffer(icc.tag(image.icc_profile, b"gTRC"), ">u2", offset=12) / 65535
    assert abs(np.interp(white_signal, np.linspace(0, 1, len(table)), table) - 1) < 0.02
    assert np.interp(white_signal - 0.05, np.linspace(0, 1, len(table)), table) < 0.8
    data = encode_image(image, "png")
    assert chunk(b"cICP", bytes([9, transfer, 0, 1])) in data
    assert read_image(data).icc_profile == image.icc_profile
    assert lab_by_lcms(image)[3].tolist() == [100, 0, 0]
    without_code_points = read_image(encode_image(image, "tiff"))
    assert without_code_points.icc_profile == image.icc_profile


def test_a_gamma_that_hides_one_picture_in_another_is_kept():
    """Only every other pixel of such pictures is meant to be seen, under a gamma of 0.02."""
    image = read_image(png(gama(2000)))
    assert curve_of(image.icc_profile) == Curve(50.0)
    assert lab_by_lcms(image)[4, 0] == 0


def test_curves_of_srgb_are_recognised_in_every_form():
    table = sampled_tag(SRGB(np.linspace(0, 1, 1024)))
    assert is_srgb(table)
    assert is_srgb(parametric_tag(SRGB))
    for other in (Curve(2.2), Curve(2.4), Curve(1.0)):
        assert not is_srgb(parametric_tag(other))
        assert not is_srgb(sampled_tag(other(np.linspace(0, 1, 256))))
    gamma = b"curv" + struct.pack(">IIH", 0, 1, round(2.2 * 256))
    for tag in (
        gamma,
        b"curv" + bytes(8),
        b"para",
        b"para" + bytes(4) + b"\x00\x09\x00\x00",
        b"curv\x00\x00\x00\x00\xff\xff\xff\xff",
    ):
        assert not is_srgb(tag)


def test_our_profiles_are_sound_to_littlecms():
    for profile in (
        coded_colours.of_code_points(12, 13, 0, 1, gray=False, bit_depth=8),
        coded_colours.of_code_points(9, 16, 0, 0, gray=False, bit_depth=16),
        coded_colours.of_gamma(1.0, None, gray=True),
    ):
        assert profile is not None
        assert int.from_bytes(profile[:4], "big") == len(profile) < 900
        opened: Any = ImageCms.ImageCmsProfile(io.BytesIO(profile)).profile
        assert opened.version == 4.4
        np.testing.assert_allclose(opened.media_white_point[0], icc.D50, atol=1e-4)


def bmp(header, tail=b""):
    """A BMP of one pixel with a V5 header that is given from its masks on."""
    fixed = struct.pack("<IiiHHIIiiII", 124, 1, 1, 1, 24, 0, 4, 0, 0, 0, 0) + bytes(16)
    start = 14 + 124
    pixel = bytes([1, 2, 3, 0])
    body = fixed + header.ljust(124 - len(fixed), b"\x00")
    return b"BM" + struct.pack("<IHHI", start + 4 + len(tail), 0, 0, start) + body + pixel + tail


def test_bmp_carries_its_profile_or_its_primaries():
    embedded = struct.pack("<I", 0x4D424544) + bytes(36 + 12 + 4) + struct.pack("<III", 128, len(SRGB_PROFILE), 0)
    image = read_image(bmp(embedded, SRGB_PROFILE))
    assert image.icc_profile == SRGB_PROFILE
    assert image.pixels.tolist() == [[[3, 2, 1]]]
    columns = np.array(TO_XYZ["p3"]).T.ravel()
    calibrated = struct.pack("<I9i3I", 0, *(round(value * 2**30) for value in columns), *[round(1.8 * 2**16)] * 3)
    expected = coded_colours.of_gamma(
        1 / 1.8, icc.Chromaticities((0.68, 0.32), (0.265, 0.69), (0.15, 0.06), icc.D65), gray=False
    )
    found = read_image(bmp(calibrated)).icc_profile
    assert len(found) == len(expected)
    numbers = [np.frombuffer(profile[-140:], ">i4") / 65536 for profile in (found, expected)]
    np.testing.assert_allclose(numbers[0], numbers[1], atol=1e-3)
    for nonsense in (
        bytes(64),
        struct.pack("<I", 0x73524742),
        b"\x00" * 4 + b"\xff" * 60,
        struct.pack("<I", 0x4D424544) + b"\xff" * 64,
    ):
        assert read_image(bmp(nonsense)).icc_profile == b""
