"""Batches of pictures: in order, each as good as alone, none stopped by another."""

import dataclasses

import numpy as np
import pytest

import inrc
from inrc.codec.batch import BatchEncoder, encode_batch
from inrc.codec.encode import encode
from inrc.codec.options import EncodeOptions
from inrc.codec.stats import Encoded
from inrc.errors import ConfigError, TargetNotReachedError, UnreadableImageError, UnsupportedImageError
from inrc.metrics.psnr import psnr_db
from inrc.signal.image import Image
from tests.codec.pictures import FIT, MODEL, crop, photograph

TINY = EncodeOptions(model=MODEL, fit=FIT, init="none")


def crops(n: int, size: int = 24) -> list[Image]:
    """Different cuts of the photograph."""
    whole = photograph()
    places = np.random.default_rng(0).integers(0, (64 - size, 96 - size), (n, 2))
    return [Image(np.ascontiguousarray(whole[y : y + size, x : x + size])) for y, x in places]


def sound(outcomes) -> list[Encoded]:
    assert all(isinstance(outcome, Encoded) for outcome in outcomes), outcomes
    return outcomes


class TestOutcomes:
    @pytest.mark.slow
    def test_pictures_of_all_kinds_come_back_in_their_order(self):
        images = [
            crop(24, 24, 3),
            crop(17, 31, 1),
            crop(24, 24, 4, 16),
            crop(24, 24, 3),
            crop(31, 17, 2),
            crop(1, 1, 3),
        ]
        for image, encoded in zip(images, sound(encode_batch(images, TINY)), strict=True):
            decoded = inrc.decode(encoded.data)
            assert decoded.pixels.shape == image.pixels.shape
            assert decoded.bit_depth == image.bit_depth
            error = np.mean((decoded.pixels.astype(float) - image.pixels) ** 2) / (2**image.bit_depth - 1) ** 2
            assert encoded.stats.psnr_db == pytest.approx(-10 * np.log10(error), abs=1e-6)
            assert encoded.stats.n_bytes == len(encoded.data)

    def test_bad_pictures_are_errors_in_their_places(self, tmp_path):
        images = [crop(24, 24, 3), tmp_path / "missing.png", np.zeros((4, 4, 5), np.uint8), crop(24, 24, 3)]
        outcomes = encode_batch(images, TINY)
        kinds = [type(outcome) for outcome in outcomes]
        assert kinds == [Encoded, UnreadableImageError, UnsupportedImageError, Encoded]
        first, last = sound([outcomes[0], outcomes[3]])
        assert first.data == last.data

    def test_a_target_that_one_picture_misses_is_its_error(self):
        images = [crop(24, 24, 3), crop(24, 24, 3, icc=bytes(range(256)) * 8)]
        outcomes = encode_batch(images, TINY, max_bytes=200)
        assert isinstance(outcomes[0], Encoded)
        assert len(outcomes[0].data) <= 200
        assert isinstance(outcomes[1], TargetNotReachedError)

    @pytest.mark.slow
    def test_a_target_in_decibels_is_met_by_each(self):
        encoder = BatchEncoder(TINY, target_psnr=17.0)
        images = crops(2)
        fitted = encoder.fit([encoder.prepare(image) for image in images])
        assert [len(batch) for batch, _ in fitted.parts] == [2]  # their first fits go side by side
        for image, encoded in zip(images, sound(encoder.finish(fitted)), strict=True):
            assert encoded.stats.psnr_db >= 17.0
            assert psnr_db(image.pixels, inrc.decode(encoded.data).pixels) == pytest.approx(encoded.stats.psnr_db)

    def test_progress_counts_to_the_end(self):
        calls: list[int] = []
        encode_batch(crops(5), TINY, batch_size=2, progress=calls.append)
        assert calls == [2, 4, 5]

    def test_nothing_is_nothing(self):
        assert encode_batch([], TINY) == []

    def test_a_batch_of_none_is_refused(self):
        with pytest.raises(ConfigError, match="batch size is 0"):
            encode_batch([], TINY, batch_size=0)


class TestAsAlone:
    def test_one_at_a_time_the_bytes_are_those_of_encode(self):
        # A network so large that a core takes one picture at a time.
        model = dataclasses.replace(MODEL, widths=(200, 90))
        options = dataclasses.replace(TINY, model=model, fit=dataclasses.replace(FIT, phase_factor=1, n_passes=8))
        images = [Image(np.ascontiguousarray(photograph()[:, x : x + 92])) for x in range(3)]
        encoder = BatchEncoder(options)
        prepared = [encoder.prepare(image) for image in images]
        assert len({one.bucket for one in prepared}) == 1
        fitted = encoder.fit(prepared)
        for image, encoded in zip(images, sound(encoder.finish(fitted)), strict=True):
            assert encoded.data == encode(image, options).data

    @pytest.mark.slow
    def test_side_by_side_they_are_as_good(self):
        options = dataclasses.replace(TINY, fit=dataclasses.replace(FIT, n_passes=150))
        images = crops(48)
        alone = [encode(image, options).stats for image in images]
        together = [encoded.stats for encoded in sound(encode_batch(images, options))]
        psnr = np.mean([[a.psnr_db, b.psnr_db] for a, b in zip(alone, together, strict=True)], axis=0)
        n_bytes = np.mean([[a.n_bytes, b.n_bytes] for a, b in zip(alone, together, strict=True)], axis=0)
        assert psnr[1] == pytest.approx(psnr[0], abs=0.05)
        assert n_bytes[1] == pytest.approx(n_bytes[0], rel=0.005)

    def test_a_file_depends_on_no_other_picture(self):
        images = crops(5)
        together = sound(encode_batch(images, TINY))
        for batch in ([images[3]], [images[4], images[3]], images[::-1]):
            files = {encoded.data for encoded in sound(encode_batch(batch, TINY))}
            assert together[3].data in files

    def test_each_is_held_to_its_bytes(self):
        images = crops(6)
        options = dataclasses.replace(TINY, fit=dataclasses.replace(FIT, n_passes=150))
        for encoded in sound(encode_batch(images, options, max_bytes=100)):
            assert 0.9 * 100 < len(encoded.data) <= 100

    @pytest.mark.slow
    def test_a_shared_init_is_theirs_too(self):
        images = [Image(np.ascontiguousarray(photograph()[:, x : x + 64])) for x in (0, 9, 32)]
        files = sound(encode_batch(images, quality=51, effort=1))
        assert len({encoded.stats.init for encoded in files}) == 1
        assert files[0].stats.init is not None
        assert inrc.decode(files[0].data).pixels.shape == (64, 64, 3)


def test_a_time_budget_is_that_of_a_picture():
    endless = dataclasses.replace(FIT, n_passes=1e7, time_budget=0.4)
    encode_batch(crops(2), TINY, fit=dataclasses.replace(endless, time_budget=0.1))  # compiles
    stats = [encoded.stats for encoded in sound(encode_batch(crops(2), TINY, fit=endless))]
    assert all(0.2 < own.encode_seconds < 1.5 for own in stats)
