import io

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from inrc.baselines import Encoding, MeasuredCodec, avif_444, best_at_most, jpeg_at_most, jpeg_decode, jpeg_encode, jxl
from inrc.metrics import psnr_db


def test_rgb_round_trip_keeps_the_picture(coffee_small: npt.NDArray[np.uint8]) -> None:
    decoded = jpeg_decode(jpeg_encode(coffee_small, 95))
    assert decoded.shape == coffee_small.shape
    assert decoded.dtype == np.uint8
    assert psnr_db(coffee_small, decoded) > 36


def test_gray_round_trip_keeps_one_channel(coffee_small: npt.NDArray[np.uint8]) -> None:
    gray = coffee_small[:, :, 1:2]
    decoded = jpeg_decode(jpeg_encode(gray, 95))
    assert decoded.shape == gray.shape
    assert psnr_db(gray, decoded) > 38


def test_the_file_is_progressive_and_has_full_size_chroma(coffee_small: npt.NDArray[np.uint8]) -> None:
    data = jpeg_encode(coffee_small, 50)
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.format == "JPEG"
        assert "progressive" in picture.info
    # The frame header of a progressive JPEG, SOF2: marker, length, precision, height, width, count, then (id,
    # sampling factors, table) per component; 0x11 is one sample in each direction, so nothing is subsampled.
    start = data.index(b"\xff\xc2")
    components = data[start + 10 : start + 19]
    assert components[1::3] == b"\x11\x11\x11"


def test_optimised_tables_make_a_smaller_file(coffee_small: npt.NDArray[np.uint8]) -> None:
    plain = io.BytesIO()
    Image.fromarray(coffee_small).save(plain, format="JPEG", quality=50, subsampling=0)
    assert len(jpeg_encode(coffee_small, 50)) < len(plain.getvalue())


def test_at_most_finds_the_highest_quality_that_fits(coffee_small: npt.NDArray[np.uint8]) -> None:
    target = len(jpeg_encode(coffee_small, 40))
    data, quality = jpeg_at_most(coffee_small, target)
    assert len(data) <= target
    assert quality >= 40
    assert data == jpeg_encode(coffee_small, quality)
    assert len(jpeg_encode(coffee_small, quality + 1)) > target
    assert jpeg_at_most(coffee_small, target - 1)[1] < 40


def test_at_most_reaches_both_ends(coffee_small: npt.NDArray[np.uint8]) -> None:
    data, quality = jpeg_at_most(coffee_small, 10)
    assert quality == 1
    assert len(data) > 10
    assert jpeg_at_most(coffee_small, 10**9)[1] == 100


def test_best_at_most_serves_any_codec_and_any_points(coffee_small: npt.NDArray[np.uint8]) -> None:
    codec, distances = jxl(), (25, 12, 6, 3, 1.5, 0.7)
    sizes = [len(best_at_most(codec, coffee_small, (distance,), 0)[0]) for distance in distances]
    for index, (size, distance) in enumerate(zip(sizes, distances, strict=True)):
        data, found = best_at_most(codec, coffee_small, distances, size)
        assert (len(data), found) == (size, distance)
        assert best_at_most(codec, coffee_small, distances, size - 1)[1] == distances[max(index - 1, 0)]


def test_best_at_most_finds_avif_qualities_between_the_measured_ones(coffee_small: npt.NDArray[np.uint8]) -> None:
    codec = avif_444()
    data, quality = best_at_most(codec, coffee_small, range(101), 1500)
    assert 1300 < len(data) <= 1500
    assert data == codec.encode(coffee_small, quality)


def test_best_at_most_takes_an_encoding_too(coffee_small: npt.NDArray[np.uint8]) -> None:
    codec = MeasuredCodec(
        name="counts",
        encode=lambda pixels, point: Encoding(bytes(int(point))),
        decode=lambda data: coffee_small,
        points=(1,),
        settings=lambda point: {"point": point},
    )
    assert best_at_most(codec, coffee_small, range(5, 50), 20) == (bytes(20), 20)
    assert best_at_most(codec, coffee_small, range(5, 50), 4) == (bytes(5), 5)
    with pytest.raises(ValueError, match="no points"):
        best_at_most(codec, coffee_small, (), 20)


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 3), (7, 300, 3), (64, 64, 3)])
@pytest.mark.parametrize("quality", [1, 100])
def test_noise_of_any_size_encodes(shape: tuple[int, int, int], quality: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    assert jpeg_decode(jpeg_encode(pixels, quality)).shape == shape


@pytest.mark.parametrize(
    ("pixels", "quality"),
    [
        (np.zeros((8, 8, 4), np.uint8), 50),
        (np.zeros((8, 8), np.uint8), 50),
        (np.zeros((8, 8, 3), np.uint16), 50),
        (np.zeros((0, 8, 3), np.uint8), 50),
        (np.zeros((8, 8, 3), np.uint8), 0),
        (np.zeros((8, 8, 3), np.uint8), 101),
    ],
)
def test_what_jpeg_cannot_hold_is_refused(pixels: npt.NDArray, quality: int) -> None:
    with pytest.raises(ValueError, match=r"JPEG takes|quality is"):
        jpeg_encode(pixels, quality)


def test_truncated_bytes_are_an_error(coffee_small: npt.NDArray[np.uint8]) -> None:
    data = jpeg_encode(coffee_small, 50)
    with pytest.raises(OSError, match=r"truncated|identify"):
        jpeg_decode(data[: len(data) // 2])
