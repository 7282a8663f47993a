import math

import numpy as np
import numpy.typing as npt
import pytest
from skimage.metrics import peak_signal_noise_ratio

from inrc.metrics import mse, psnr_db


def test_identical_pictures_have_infinite_psnr(coffee_small: npt.NDArray[np.uint8]) -> None:
    assert mse(coffee_small, coffee_small) == 0.0
    assert psnr_db(coffee_small, coffee_small) == math.inf


@pytest.mark.parametrize("bit_depth", [1, 8, 10, 16])
def test_black_against_white_is_0_db(bit_depth: int) -> None:
    black = np.zeros((3, 5, 1), np.uint16)
    white = np.full((3, 5, 1), 2**bit_depth - 1, np.uint16)
    assert mse(black, white, bit_depth=bit_depth) == 1.0
    assert psnr_db(black, white, bit_depth=bit_depth) == 0.0


def test_one_level_off_everywhere_is_48_13_db() -> None:
    # 20 log10(255), the constant every 8-bit PSNR table starts from.
    picture = np.arange(192, dtype=np.uint8).reshape(8, 8, 3)
    assert psnr_db(picture, picture + 1) == pytest.approx(48.130803608679, abs=1e-9)


@pytest.mark.parametrize(("bit_depth", "dtype"), [(8, np.uint8), (16, np.uint16)])
def test_psnr_agrees_with_scikit_image(bit_depth: int, dtype: type[np.unsignedinteger]) -> None:
    reference, decoded = np.random.default_rng(0).integers(0, 2**bit_depth, (2, 40, 50, 3)).astype(dtype)
    expected = peak_signal_noise_ratio(reference, decoded, data_range=2**bit_depth - 1)
    assert psnr_db(reference, decoded, bit_depth=bit_depth) == pytest.approx(expected, abs=1e-9)


def test_unsigned_differences_do_not_wrap() -> None:
    low, high = np.array([[[3]]], np.uint8), np.array([[[5]]], np.uint8)
    assert mse(low, high) == mse(high, low) == 4 / 255**2


def test_sixteen_bit_sum_of_squares_does_not_overflow() -> None:
    black, white = np.zeros((300, 300, 3), np.uint16), np.full((300, 300, 3), 65535, np.uint16)
    assert mse(black, white, bit_depth=16) == 1.0


@pytest.mark.parametrize(
    ("reference", "decoded", "bit_depth", "message"),
    [
        (np.zeros((2, 2, 3), np.uint8), np.zeros((2, 3, 3), np.uint8), 8, "shapes"),
        (np.zeros((2, 2), np.uint8), np.zeros((2, 2), np.uint8), 8, r"\[H, W, C\]"),
        (np.zeros((0, 2, 3), np.uint8), np.zeros((0, 2, 3), np.uint8), 8, r"\[H, W, C\]"),
        (np.zeros((2, 2, 3), np.uint8), np.zeros((2, 2, 3), np.float32), 8, "round"),
        (np.full((2, 2, 3), 256, np.uint16), np.zeros((2, 2, 3), np.uint16), 8, r"0\.\.255"),
        (np.zeros((2, 2, 3), np.int16), np.full((2, 2, 3), -1, np.int16), 8, r"-1\.\.-1"),
        (np.zeros((2, 2, 3), np.uint8), np.zeros((2, 2, 3), np.uint8), 17, "bit_depth is 17"),
    ],
)
def test_what_is_not_a_pair_of_pictures_is_refused(
    reference: npt.NDArray[np.integer], decoded: npt.NDArray[np.integer], bit_depth: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        psnr_db(reference, decoded, bit_depth=bit_depth)
