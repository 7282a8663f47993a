"""A family that the package does not know moves in from outside: it encodes, batches, decodes, and is measured."""

import ast
import contextlib
import dataclasses
import zlib
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

import inrc
from inrc import presets
from inrc.bitstream import network_fields
from inrc.codec import families, formats
from inrc.codec.options import EncodeOptions
from inrc.codec.settings import settings, settings_hash
from inrc.codec.stats import Encoded, FileStats
from inrc.dataset.manifest import Row
from inrc.errors import ConfigError, TargetNotReachedError, UnsupportedVersionError
from inrc.evaluate.ours import inrc_codec
from inrc.fit.coordinate.config import CoordinateFitConfig
from inrc.signal.colour import ColourTransform
from tests.codec import pictures
from tests.codec.toy_family import MeanConfig, OneColour, OneColourCodec, OneColourFamily

SOURCE = Path(inrc.__file__).parent


REGISTERS = (presets.CODECS, network_fields._by_family, network_fields._by_config, formats._formats)


@pytest.fixture(scope="module", autouse=True)
def family():
    """The family is registered for the tests of this module alone; other tests count the built-in families."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.object(families, "_families", list(families._families)))
        for register in REGISTERS:
            stack.enter_context(mock.patch.dict(register))
        family = OneColourFamily()
        families.register(family)
        yield family


def mean_psnr(pixels: np.ndarray) -> float:
    mean = np.floor(pixels.reshape(-1, pixels.shape[-1]).mean(0) / 255 * 256 + 0.5) / 256 * 255
    mse = np.mean((np.floor(mean + 0.5) - pixels.astype(float)) ** 2)
    return float(10 * np.log10(255**2 / mse))


def test_it_encodes_and_decodes_by_name_and_by_model():
    image = pictures.crop(17, 12, 3, icc=pictures.icc_profile())
    encoded = inrc.encode(image, codec="one-colour")
    decoded = inrc.decode(encoded.data)
    assert decoded.pixels.shape == (17, 12, 3)
    assert decoded.icc_profile == image.icc_profile
    assert len(np.unique(decoded.pixels.reshape(-1, 3), axis=0)) == 1
    assert encoded.stats.psnr_db == pytest.approx(mean_psnr(image.pixels), abs=1e-6)
    assert encoded.stats.n_weights == 3
    assert encoded.data == inrc.encode(image, model=OneColour()).data
    coarse = inrc.encode(image, model=OneColour(log_step=1))
    assert set(np.unique(inrc.decode(coarse.data).pixels)) <= {0, 128, 255}
    part = inrc.decode(encoded.data, region=(2, 3, 4, 5), size=(8, 9)).pixels
    np.testing.assert_array_equal(part, np.broadcast_to(decoded.pixels[0, 0], (9, 8, 3)))


def test_gray_alpha_and_16_bits_are_the_codecs_own_work():
    for channels, depth in ((1, 8), (2, 16), (4, 8)):
        image = pictures.crop(5, 9, channels, depth)
        decoded = inrc.decode(inrc.encode(image, codec="one-colour").data)
        assert (decoded.pixels.dtype, decoded.pixels.shape) == (image.pixels.dtype, image.pixels.shape)


def test_batches_have_the_same_files():
    images = [pictures.crop(8 + i % 2, 9, 3) for i in range(5)]
    files = inrc.encode_batch(images, codec="one-colour", batch_size=2)
    assert [file.data for file in files if isinstance(file, Encoded)] == [
        inrc.encode(image, codec="one-colour").data for image in images
    ]


def test_targets_are_met_or_refused_by_the_common_search():
    image = pictures.crop(17, 12, 3)
    enough = len(inrc.encode(image, codec="one-colour").data)
    assert len(inrc.encode(image, codec="one-colour", max_bytes=enough).data) == enough
    with pytest.raises(TargetNotReachedError, match=f"{enough - 1} bytes are asked for; {enough} were reached"):
        inrc.encode(image, codec="one-colour", max_bytes=enough - 1)
    with pytest.raises(TargetNotReachedError, match="90 dB are asked for"):
        inrc.encode(image, codec="one-colour", target_psnr=90.0)


def test_info_settings_and_evaluation_know_it():
    image = pictures.crop(17, 12, 3)
    info = inrc.info(inrc.encode(image, codec="one-colour").data)
    assert info.network.words == "one_colour steps of 2^-8"
    assert info.header.model == OneColour()
    assert settings(EncodeOptions(codec="one-colour"))["model"] == {"log_step": 8}
    assert settings_hash(EncodeOptions(codec="one-colour")) != settings_hash(EncodeOptions(codec="siren"))
    codec = inrc_codec("toy", (8.0,), codec="one-colour")
    encoding = codec.encode(image.pixels, 8.0)
    data = encoding if isinstance(encoding, bytes) else encoding.data
    np.testing.assert_array_equal(codec.decode(data), inrc.decode(data).pixels)


def test_what_it_cannot_do_is_refused():
    image = pictures.crop(8, 9, 3)
    with pytest.raises(ConfigError, match="needs a MeanConfig"):
        inrc.encode(image, codec="one-colour", fit=CoordinateFitConfig())
    with pytest.raises(ConfigError, match="know RGB alone"):
        inrc.encode(image, codec="one-colour", colour=ColourTransform.YCBCR)
    with pytest.raises(ConfigError, match="needs a CoordinateFitConfig"):
        inrc.encode(image, codec="siren", fit=MeanConfig())


def test_numbers_types_and_names_are_given_once(family):
    with pytest.raises(ConfigError, match="family 200 is taken"):
        families.register(family)
    with pytest.raises(ConfigError, match="called siren already"):
        presets.add(OneColourCodec("siren", ""))


def test_a_process_without_the_family_says_so():
    data = inrc.encode(pictures.crop(8, 9, 3), codec="one-colour").data
    unknown = data.replace(bytes([3, 200]), bytes([3, 201]), 1)
    body = unknown[:-4]
    with pytest.raises(UnsupportedVersionError, match="family 201"):
        inrc.decode(body + zlib.crc32(body).to_bytes(4, "little"))


def test_stats_info_and_rows_share_the_fields_of_files():
    shared = {field.name for field in dataclasses.fields(FileStats)}
    for other in (inrc.Info, type(inrc.encode(pictures.crop(4, 4, 1), codec="one-colour").stats), Row):
        assert shared <= {field.name for field in dataclasses.fields(other)}


FAMILY_ROOMS = ("coordinate", "latent", "latent_grid")
OWN_FILES = {"network_fields.py", "coordinate_fields.py", "latent_fields.py", "networks.py"}
OWN_FILES |= {"compare.py", "compare_latents.py"}
"""Tables of the built-in families, and the comparisons of starts, of which each family has its own."""
FAMILY_TYPES = {
    "ModelConfig", "LatentGridConfig", "CoordinateFitConfig", "LatentFitConfig", "CoordinateFitResult",
    "LatentFitResult", "CoordinateCodec", "LatentCodec", "CoordinateRecipe", "LatentRecipe", "CoordinateFitPlan",
    "LatentFitPlan",
}  # fmt: skip


def test_no_module_outside_the_families_asks_which_family_it_has():
    """Counts `isinstance` tests on types of one family; the rooms and modules of the families may have them."""
    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        if any(part in FAMILY_ROOMS for part in path.parts) or path.name in OWN_FILES:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "isinstance":
                names = {
                    part.attr if isinstance(part, ast.Attribute) else getattr(part, "id", "") for part in ast.walk(node)
                }
                if names & FAMILY_TYPES:
                    found.append(f"{path.relative_to(SOURCE)}:{node.lineno}")
    assert found == []
