"""The colours of coordinate networks: from their outputs to unit values."""

import numpy as np
import pytest

import inrc
from inrc.codec.coordinate.format import INIT_COLOUR, output_transform
from inrc.meta import data
from inrc.signal.colour import ColourTransform
from tests.shared_init.inits import CANVAS, MODEL


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_zero_outputs_are_mid_gray_and_alpha_is_left_alone(channels):
    matrix, offset = output_transform(ColourTransform.YCBCR, channels)
    np.testing.assert_array_equal(offset, 0.5)
    if channels == 4:
        np.testing.assert_array_equal(matrix[3], [0, 0, 0, 0.5])
        np.testing.assert_array_equal(matrix[:, 3], [0, 0, 0, 0.5])
    if channels >= 3:
        np.testing.assert_allclose(matrix[:3, :3] @ [1, 0, 0], 0.5)  # luma alone is gray
    else:
        np.testing.assert_array_equal(matrix, 0.5 * np.eye(channels))


def test_inits_are_learned_in_the_colour_that_files_with_them_have():
    ours_of_three = output_transform(INIT_COLOUR, 3)
    for ours, theirs in zip(ours_of_three, data.output_transform(MODEL, CANVAS), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    luma, offset = output_transform(inrc.ColourTransform.RGB, 1)
    gray = ours_of_three[0] @ [0.3, 0, 0] + 0.5
    np.testing.assert_allclose(gray, (luma @ [0.3] + offset)[0])
