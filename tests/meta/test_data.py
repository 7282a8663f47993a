"""Pictures of a folder, split by use, and tasks with the coordinates of their pixels."""

import hashlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from inrc.errors import ImageError, MissingDataError
from inrc.meta import data
from inrc.meta.stages import Sampling
from inrc.signal.colour import ColourTransform
from inrc.signal.coordinates import pixel_centres
from tests.meta import tiny

FACTOR = 4
ROWS, COLUMNS = (pixel_centres(n) for n in tiny.SHAPE)


@pytest.fixture(scope="module")
def phases() -> jax.Array:
    return jnp.asarray(data.interleaved(tiny.pixels(3), FACTOR))


def unit_pixels(picture: int, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Values [3, ...] of a picture at coordinates of its pixels' centres."""
    at = [np.searchsorted(axis, np.asarray(x) - 1e-4) for axis, x in ((ROWS, rows), (COLUMNS, columns))]
    for axis, index, x in zip((ROWS, COLUMNS), at, (rows, columns), strict=True):
        np.testing.assert_array_equal(axis[index], x)  # a coordinate of the whole canvas, to the last bit
    return tiny.pixels(3)[picture][:, at[0], at[1]].astype(np.float32) / np.float32(255)


def test_sub_pictures_keep_every_nth_row_and_column():
    pictures = tiny.pixels(2)
    split = data.interleaved(pictures, FACTOR)
    assert split.shape == (2, 16, 3, 4, 6)
    np.testing.assert_array_equal(split[1, 7], pictures[1, :, 1::4, 3::4])


@pytest.mark.parametrize("sampling", list(Sampling))
def test_tasks_have_the_coordinates_of_their_pixels_on_the_whole_canvas(phases, sampling):
    task = data.draw_task(jax.random.key(3), phases, jnp.int32(2), n_samples=5, sampling=sampling)
    size = (4, 6) if sampling is Sampling.PHASES else (24,)
    assert task.targets.shape == (5, 3, *size)
    for targets, rows, columns in zip(*task, strict=True):
        np.testing.assert_allclose(targets, unit_pixels(2, rows, columns), atol=1e-7)


def test_the_samples_of_a_task_differ(phases):
    by_phases = data.draw_task(jax.random.key(0), phases, jnp.int32(0), n_samples=16)
    corners = {(float(r[0, 0]), float(c[0, 0])) for r, c in zip(by_phases.rows, by_phases.columns, strict=True)}
    assert len(corners) == 16
    by_pixels = data.draw_task(jax.random.key(0), phases, jnp.int32(0), n_samples=200, sampling=Sampling.PIXELS)
    drawn, counts = np.unique(np.stack([by_pixels.rows, by_pixels.columns]).reshape(2, -1), axis=1, return_counts=True)
    assert drawn.shape[1] == 16 * 24  # all pixels, about equally often
    assert counts.max() < 3 * counts.mean()


@pytest.mark.parametrize(("n_tasks", "n_pictures"), [(2, 7), (5, 3), (4, 4)])
def test_every_picture_comes_once_per_epoch(n_tasks, n_pictures):
    n_epochs = 6
    n_steps = n_epochs * n_pictures
    key = jax.random.key(1)
    drawn = np.concatenate(
        [data.pictures_of_step(key, jnp.int32(i), n_tasks, n_pictures) for i in range(n_steps // n_tasks)]
    )
    epochs = drawn[: len(drawn) // n_pictures * n_pictures].reshape(-1, n_pictures)
    assert len(epochs) >= 5
    for epoch in epochs:
        assert sorted(epoch) == list(range(n_pictures))
    assert len({tuple(epoch) for epoch in epochs}) > 1


def test_the_hash_of_its_name_decides_a_pictures_use(tmp_path):
    tiny.write_pictures(tmp_path)
    (tmp_path / "notes.txt").write_text("no picture")
    found = data.load_pictures(tmp_path, tiny.SHAPE)
    assert found.training.names == tiny.TRAINING_NAMES
    assert found.validation.names == tiny.VALIDATION_NAMES
    for names, held_out in ((found.training.names, False), (found.validation.names, True)):
        for name in names:
            digest = hashlib.sha256(name.encode()).hexdigest()
            assert (int(digest, 16) % 8 == 0) is held_out
    expected = tiny.collection()
    np.testing.assert_array_equal(found.training.pixels, expected.training.pixels)
    np.testing.assert_array_equal(found.validation.pixels, expected.validation.pixels)
    assert found.left_out == {}


def test_portraits_are_transposed_and_larger_pictures_cropped_to_their_middle(tmp_path):
    (large,) = tiny.pixels(1, shape=(20, 30))
    tiny.save_picture(tmp_path / "large.png", large)
    tiny.save_picture(tmp_path / "portrait.png", large.transpose(0, 2, 1))
    found, left_out = data.read_pictures(tmp_path, tiny.SHAPE)
    assert found.names == ("large.png", "portrait.png")
    for planes in found.pixels:
        np.testing.assert_array_equal(planes, large[:, 2:18, 3:27])
    assert left_out == {}


def test_pictures_that_cannot_be_used_are_counted_by_reason(tmp_path):
    tiny.write_pictures(tmp_path)
    tiny.save_picture(tmp_path / "low.png", tiny.pixels(1, shape=(15, 24))[0])
    tiny.save_picture(tmp_path / "narrow.png", tiny.pixels(1, shape=(16, 23))[0])
    Image.fromarray(np.zeros((16, 24), np.uint8)).save(tmp_path / "gray.png")
    found = data.load_pictures(tmp_path, tiny.SHAPE)
    assert found.left_out == {"smaller than the canvas": 2, "not RGB of 8 bits": 1}
    assert found.training.names == tiny.TRAINING_NAMES


def test_too_few_pictures_are_an_error_that_says_how_many_there_are(tmp_path):
    with pytest.raises(MissingDataError, match="no RGB picture of 24x16"):
        data.load_pictures(tmp_path, tiny.SHAPE)
    tiny.save_picture(tmp_path / tiny.TRAINING_NAMES[0], tiny.pixels(1)[0])
    with pytest.raises(MissingDataError, match="1 training and 0 validation pictures"):
        data.load_pictures(tmp_path, tiny.SHAPE)
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(ImageError, match=r"broken\.png"):
        data.load_pictures(tmp_path, tiny.SHAPE)


def test_outputs_are_in_the_codecs_colour_space():
    matrix, offset = data.output_transform(tiny.MODEL, tiny.SHAPE)
    np.testing.assert_allclose(matrix, 0.5 * ColourTransform.YCBCR.inverse_matrix)
    np.testing.assert_allclose(offset, 0.5)
