"""What is known of a file from its bytes: the same for who wrote it and for who reads it."""

import dataclasses

import pytest

import inrc
from inrc.codec.encode import encode
from inrc.codec.options import EncodeOptions
from inrc.codec.stats import FileStats, values_of
from tests.codec import pictures
from tests.codec.latent import test_files as latents

OPTIONS = {"coordinate": EncodeOptions(model=pictures.MODEL, fit=pictures.FIT), "latent": latents.OPTIONS}


@pytest.mark.parametrize("family", OPTIONS)
def test_encoder_and_decoder_agree(family):
    encoded = encode(latents.IMAGE, OPTIONS[family])
    info = inrc.info(encoded.data)
    written, read = values_of(encoded.stats), values_of(info)
    assert written == read
    assert list(written) == [field.name for field in dataclasses.fields(FileStats)]
    assert (written["width"], written["height"], written["n_bytes"]) == (12, 16, len(encoded.data))
    assert (info.n_latents > 0) == (info.latent_bytes > 0) == (family == "latent")
    assert info.icc_profile_bytes == len(latents.IMAGE.icc_profile)
