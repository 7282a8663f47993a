import io
import itertools
import json
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, features

from inrc.baselines import MeasuredCodec, anchors, avif_444, jpeg2000, jpeg_420, jpeg_444, jxl, library_versions, webp
from inrc.baselines.classical import AVIF_OPTIONS
from inrc.metrics import psnr_db

Pixels = npt.NDArray[np.uint8]

BY_NAME = {codec.name: codec for codec in anchors()}
HOLDING_GRAY = [name for name in BY_NAME if name != "webp"]


def encoded(codec: MeasuredCodec, pixels: Pixels, point: float) -> bytes:
    data = codec.encode(pixels, point)
    assert isinstance(data, bytes)
    return data


def colour_checkerboard() -> Pixels:
    """Red and blue pixels in turn, [32, 32, 3]: all its detail is in the chroma."""
    is_red = np.indices((32, 32)).sum(axis=0) % 2 == 0
    return np.where(is_red[:, :, np.newaxis], np.array([[[220, 40, 40]]]), np.array([[[40, 40, 220]]])).astype(np.uint8)


def test_names_and_the_form_of_the_files(coffee_small: Pixels) -> None:
    assert list(BY_NAME) == ["jpeg_444", "jpeg_420", "jpeg2000", "webp", "avif_444", "jxl"]
    assert len(anchors()) == len(BY_NAME)
    signatures = {
        "jpg": (0, b"\xff\xd8\xff"),
        "jp2": (4, b"jP  \r\n\x87\n"),
        "webp": (8, b"WEBPVP8 "),  # "VP8 " is the lossy form, "VP8L" the lossless
        "avif": (4, b"ftypavif"),
        "jxl": (0, b"\xff\x0a"),
    }
    for codec in anchors():
        offset, signature = signatures[codec.extension]
        assert encoded(codec, coffee_small, codec.points[3])[offset:].startswith(signature)


@pytest.mark.parametrize("name", BY_NAME)
def test_bytes_and_psnr_rise_from_point_to_point(name: str, coffee_small: Pixels) -> None:
    codec = BY_NAME[name]
    if name == "jpeg2000":  # below 0.5 bpp the file's headers alone take more than this small picture may have
        points = [rate for rate in codec.points if rate >= 0.5]
    else:
        points = codec.points
    files = [encoded(codec, coffee_small, point) for point in points]
    psnrs = [psnr_db(coffee_small, codec.decode(data)) for data in files]
    assert all(len(small) < len(large) for small, large in itertools.pairwise(files))
    assert all(low < high for low, high in itertools.pairwise(psnrs))
    assert 18 < psnrs[0] < 22
    # Codecs with half-size chroma, and JPEG XL, which aims at perception, end low on so small a picture.
    highest = {"jpeg_444": 39.6, "jpeg_420": 33.3, "jpeg2000": 30.8, "webp": 33.5, "avif_444": 40.5, "jxl": 33.5}
    assert psnrs[-1] == pytest.approx(highest[name], abs=1)


def test_avif_beats_jpeg_by_far(coffee_small: Pixels) -> None:
    avif, jpeg = avif_444(), jpeg_444()
    small, large = encoded(avif, coffee_small, 42), encoded(jpeg, coffee_small, 15)
    assert len(small) <= 1.02 * len(large)
    assert psnr_db(coffee_small, avif.decode(small)) > psnr_db(coffee_small, jpeg.decode(large)) + 4


@pytest.mark.parametrize("name", BY_NAME)
def test_the_bytes_are_the_same_every_time(name: str, coffee_small: Pixels) -> None:
    codec = BY_NAME[name]
    assert encoded(codec, coffee_small, codec.points[4]) == encoded(codec, coffee_small, codec.points[4])


@pytest.mark.parametrize("name", BY_NAME)
def test_flat_colours_keep_their_hue(name: str) -> None:
    # Swapped channels or a wrong matrix would move these by tens of levels.
    colours = np.array([[200, 60, 40], [40, 150, 70], [50, 70, 190], [128, 128, 128]], np.uint8)
    pixels = np.repeat(np.repeat(colours.reshape(2, 2, 3), 32, axis=0), 32, axis=1)
    codec = BY_NAME[name]
    decoded = codec.decode(encoded(codec, pixels, codec.points[-1]))
    assert decoded.shape == pixels.shape
    assert decoded.dtype == np.uint8
    means = decoded.reshape(2, 32, 2, 32, 3)[:, 8:24, :, 8:24].mean(axis=(1, 3)).reshape(4, 3)
    np.testing.assert_allclose(means, colours, atol=4)


@pytest.mark.parametrize("name", HOLDING_GRAY)
def test_gray_pictures_stay_gray(name: str, coffee_small: Pixels) -> None:
    codec, gray = BY_NAME[name], coffee_small[:, :, 1:2]
    decoded = codec.decode(encoded(codec, gray, codec.points[-1]))
    assert decoded.shape == gray.shape
    assert decoded.dtype == np.uint8
    assert psnr_db(gray, decoded) > 36


def test_webp_refuses_gray(coffee_small: Pixels) -> None:
    with pytest.raises(ValueError, match=r"gray, which WebP cannot store"):
        webp().encode(coffee_small[:, :, :1], 50)


@pytest.mark.parametrize("name", BY_NAME)
@pytest.mark.parametrize("shape", [(1, 1, 3), (7, 130, 3)])
def test_noise_of_any_size_round_trips(name: str, shape: tuple[int, int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    codec = BY_NAME[name]
    for point in (codec.points[0], codec.points[-1]):
        assert codec.decode(encoded(codec, pixels, point)).shape == shape


@pytest.mark.parametrize(("make", "factors"), [(jpeg_444, b"\x11\x11\x11"), (jpeg_420, b"\x22\x11\x11")])
def test_jpeg_chroma_sampling(make: Callable[[], MeasuredCodec], factors: bytes, coffee_small: Pixels) -> None:
    # The frame header of a progressive JPEG, SOF2: marker, length, precision, height, width, count, then (id,
    # sampling factors, table) per component.
    data = encoded(make(), coffee_small, 48)
    start = data.index(b"\xff\xc2")
    assert data[start + 10 : start + 19][1::3] == factors


def test_avif_has_full_size_chroma(coffee_small: Pixels) -> None:
    codec = avif_444()
    # AV1CodecConfigurationBox: a marker byte, profile (3 bits, 1 = High) and level, then flags, among them
    # monochrome (0x10) and subsampled in x (0x08) and y (0x04).
    data = encoded(codec, coffee_small, 42)
    box = data.index(b"av1C") + 4
    assert data[box] == 0x81
    assert data[box + 1] >> 5 == 1
    assert data[box + 2] & 0x1C == 0
    gray = encoded(codec, coffee_small[:, :, :1], 42)
    assert gray[gray.index(b"av1C") + 6] & 0x10


@pytest.mark.parametrize(
    ("name", "keeps"), [("jpeg_444", True), ("jpeg_420", False), ("avif_444", True), ("webp", False)]
)
def test_colour_detail_survives_only_without_subsampling(name: str, keeps: bool) -> None:
    codec, pixels = BY_NAME[name], colour_checkerboard()
    decoded = codec.decode(encoded(codec, pixels, codec.points[-1]))
    assert (psnr_db(pixels, decoded) > 30) == keeps


def test_avif_is_tuned_for_psnr(coffee_small: Pixels) -> None:
    def saved(**changes: object) -> bytes:
        stream = io.BytesIO()
        options = AVIF_OPTIONS | changes
        Image.fromarray(coffee_small).save(stream, format="AVIF", quality=42, subsampling="4:4:4", **options)
        return stream.getvalue()

    codec = avif_444()
    assert encoded(codec, coffee_small, 42) == saved()
    default, ssim = saved(advanced={}), saved(advanced={"tune": "ssim"})
    assert len({saved(), default, ssim}) == 3


@pytest.mark.parametrize("rate", [0.8, 1.2, 1.75, 2.5, 6])
def test_jpeg2000_meets_its_rate(rate: float, coffee_small: Pixels) -> None:
    n_bits = 8 * len(encoded(jpeg2000(), coffee_small, rate))
    n_pixels = coffee_small.shape[0] * coffee_small.shape[1]
    assert n_bits / n_pixels == pytest.approx(rate, rel=0.03)
    gray_bits = 8 * len(encoded(jpeg2000(), coffee_small[:, :, :1], rate))
    assert 0.9 * rate < gray_bits / n_pixels < 1.03 * rate


def test_jpeg2000_has_the_irreversible_wavelet_and_the_colour_transform(coffee_small: Pixels) -> None:
    # COD: marker, length, style, progression, layers (2 bytes), colour transform, levels, code block (2), style,
    # wavelet (0 is the 9/7, 1 the reversible 5/3).
    data = encoded(jpeg2000(), coffee_small, 1.2)
    start = data.index(b"\xff\x52")
    assert data[start + 8] == 1
    assert data[start + 13] == 0


@pytest.mark.parametrize("name", BY_NAME)
def test_settings_are_json_and_tell_every_point(name: str) -> None:
    codec = BY_NAME[name]
    settings = [dict(codec.settings(point)) for point in codec.points]
    assert json.loads(json.dumps(settings)) == settings
    assert len({json.dumps(each, sort_keys=True) for each in settings}) == len(codec.points)
    assert all(point in each.values() for point, each in zip(codec.points, settings, strict=True))
    assert {"format", "library"} <= set(settings[0])


def test_settings_of_all_codecs_differ() -> None:
    settings = [json.dumps(codec.settings(50), sort_keys=True) for codec in anchors()]
    assert len(set(settings)) == len(settings)


@pytest.mark.parametrize("name", BY_NAME)
@pytest.mark.parametrize(
    "pixels", [np.zeros((8, 8, 4), np.uint8), np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3), np.uint16)]
)
def test_other_pixels_are_refused(name: str, pixels: npt.NDArray) -> None:
    codec = BY_NAME[name]
    with pytest.raises(ValueError, match=r"takes uint8 \[H, W, 1 or 3\]"):
        codec.encode(pixels, codec.points[0])


@pytest.mark.parametrize(
    ("codec", "point"),
    [
        (jpeg_444(), 0),
        (jpeg_420(), 50.5),
        (jpeg2000(), 0),
        (jpeg2000(), float("nan")),
        (webp(), -1),
        (avif_444(), 101),
        (avif_444(), 2.5),
        (jxl(), 0),
        (jxl(), 26),
    ],
)
def test_points_out_of_range_are_refused(codec: MeasuredCodec, point: float, coffee_small: Pixels) -> None:
    with pytest.raises(ValueError, match=r"quality is|rate is|distance is"):
        codec.encode(coffee_small, point)


def test_library_versions_name_what_encodes() -> None:
    versions = library_versions()
    assert set(versions) >= {"pillow", "libjpeg-turbo", "openjpeg", "libwebp", "libavif", "libaom", "libjxl"}
    assert versions["libwebp"] == features.version("webp")
    assert all(version[0].isdigit() for version in versions.values())
