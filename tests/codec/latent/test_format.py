"""What is written of latent grids: no dead hidden units."""

import dataclasses

import numpy as np

import inrc
from inrc.codec import file as files
from inrc.codec.decode import render
from inrc.codec.file import File
from inrc.codec.latent.format import LatentFormat
from tests.bitstream.latent_files import SMALL, header_of, random_contents

LIMITS = inrc.DecodeLimits()


def with_integers(file: File, integers: tuple[np.ndarray, ...]) -> File:
    """The file with other weights."""
    return files.make(file.header, dataclasses.replace(file.weights, integers=integers), file.latents)


class TestDeadUnits:
    """Hidden units of the synthesis; `random_contents` has 5."""

    def test_what_gets_or_gives_nothing_is_not_written(self):
        whole = random_contents(header_of((12, 16)))
        names = [name for name, _ in whole.layout]
        matrices = dict(zip(names, (matrix.copy() for matrix in whole.weights.integers), strict=True))
        matrices["synthesis_0"][1] = 0
        matrices["synthesis_1"][:, 3] = 0
        dead = with_integers(whole, tuple(matrices.values()))
        written = LatentFormat().compacted(dead)
        assert written.header.model == dataclasses.replace(SMALL, synthesis_width=3)
        narrow = dict(zip(names, written.weights.integers, strict=True))
        np.testing.assert_array_equal(narrow["synthesis_0"], matrices["synthesis_0"][[0, 2, 4]])
        np.testing.assert_array_equal(narrow["synthesis_1"], matrices["synthesis_1"][:, [0, 2, 4, 5]])
        np.testing.assert_array_equal(render(written), render(dead))
        assert len(files.pack(written)) < len(files.pack(dead))

    def test_the_compacted_file_is_whole(self):
        """Its layout and its params are those of the file that is read back."""
        whole = random_contents(header_of((12, 16)))
        integers = list(whole.weights.integers)
        place = [name for name, _ in whole.layout].index("synthesis_0")
        integers[place] = integers[place].copy()
        integers[place][2:4] = 0
        written = LatentFormat().compacted(with_integers(whole, tuple(integers)))
        read = files.unpack(files.pack(written), LIMITS)
        assert (written.header, written.layout) == (read.header, read.layout)
        assert list(written.params) == list(read.params)
        for name, matrix in read.params.items():
            np.testing.assert_array_equal(written.params[name], matrix)

    def test_one_is_left(self):
        whole = random_contents(header_of((12, 16)))
        nothing = with_integers(whole, tuple(np.zeros_like(matrix) for matrix in whole.weights.integers))
        file = files.unpack(files.pack(LatentFormat().compacted(nothing)), LIMITS)
        assert file.header.model == dataclasses.replace(SMALL, synthesis_width=1)
        assert not render(file).any()

    def test_all_are_left_where_all_do_something(self):
        file = random_contents(header_of((12, 16)))
        assert LatentFormat().compacted(file).header == file.header
