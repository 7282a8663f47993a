"""Pictures through files with shared inits and back: every kind of picture, views, targets, and refusals."""

import dataclasses

import numpy as np
import pytest

import inrc
from inrc import presets, shared_init
from inrc.bitstream import container
from inrc.bitstream import header as headers
from inrc.bitstream.container import Container
from inrc.codec import file as contents
from inrc.codec.encode import encode
from inrc.codec.families import choose_init, resolve
from inrc.codec.family import Plan
from inrc.codec.formats import reference_of
from inrc.codec.job import Job
from inrc.codec.options import EncodeOptions
from inrc.codec.stats import Encoded
from inrc.config import EncodingConfig, EncodingKind, ModelConfig
from inrc.errors import ConfigError, CorruptFileError, InitMismatchError, LimitExceededError
from inrc.fit.coordinate.config import CoordinateFitConfig
from inrc.fit.coordinate.schedule import Schedule
from inrc.layout import layout
from inrc.presets import LOSSES
from inrc.shared_init import SharedInit, library
from inrc.signal.colour import ColourTransform
from inrc.signal.image import Image
from tests.bitstream import reference_decoder
from tests.codec import pictures
from tests.shared_init.inits import CANVAS, MODEL, random_init, with_rates

INIT, OTHER = random_init(), random_init(seed=1)
LIMITS = inrc.DecodeLimits()
LANDSCAPE = pictures.crop(17, 31, 3)
PICTURES = {
    "landscape": LANDSCAPE,
    "portrait": Image(np.ascontiguousarray(LANDSCAPE.pixels.swapaxes(0, 1))),
    "square": pictures.crop(20, 20, 3, 16),
    "gray portrait": pictures.crop(24, 11, 1, icc=pictures.icc_profile()),
}


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """The init as a file, outside of the folders that are searched."""
    path = tmp_path_factory.mktemp("inits") / "init.npz"
    shared_init.save(INIT, path)
    return path


@pytest.fixture(scope="module")
def files(archive) -> dict[str, Encoded]:
    return {name: encode(image, fit=pictures.FIT, init=str(archive)) for name, image in PICTURES.items()}


@pytest.mark.parametrize("name", PICTURES)
class TestKinds:
    def test_the_decoded_picture_is_the_one_that_the_encoder_measured(self, files, archive, name):
        image, encoded = PICTURES[name], files[name]
        decoded = inrc.decode(encoded.data, init=INIT)
        assert decoded.pixels.shape == image.pixels.shape
        assert decoded.pixels.dtype == image.pixels.dtype
        assert decoded.icc_profile == image.icc_profile
        for init in (archive, str(archive)):
            np.testing.assert_array_equal(inrc.decode(encoded.data, init=init).pixels, decoded.pixels)
        peak = 255.0 if image.bit_depth == 8 else 65535.0
        mse = np.mean((decoded.pixels.astype(float) - image.pixels) ** 2)
        assert encoded.stats.psnr_db == pytest.approx(10 * np.log10(peak**2 / mse), abs=1e-6)
        assert encoded.stats.psnr_db > 12

    def test_the_reference_decoder_decodes_it_too(self, files, archive, name):
        image, encoded = PICTURES[name], files[name]
        file = reference_decoder.read(encoded.data, archive.read_bytes())
        expected = reference_decoder.pixels(file).astype(int)
        difference = inrc.decode(encoded.data, init=INIT).pixels.astype(int) - expected
        assert np.abs(difference).max() <= (1 if image.bit_depth == 8 else 16)  # FORMAT.md, section 9
        assert file.icc_profile == image.icc_profile

    def test_header_info_and_stats_agree(self, files, name):
        image, encoded = PICTURES[name], files[name]
        info, stats = inrc.info(encoded.data, init=INIT), encoded.stats
        header = info.header
        assert (header.width, header.height) == (stats.width, stats.height) == (image.width, image.height)
        assert header.transposed == (name in ("portrait", "gray portrait"))
        assert header.shape == (min(image.pixels.shape[:2]), max(image.pixels.shape[:2]))
        assert (header.init_id, stats.init) == (INIT.id, INIT.id.hex())
        assert header.model == INIT.model
        assert isinstance(INIT.model, ModelConfig)
        expected = sum(rows * columns for _, (rows, columns) in layout(INIT.model, header.shape, image.channels))
        assert info.n_weights == stats.n_weights == expected < INIT.n_weights
        assert stats.header_bytes == len(headers.pack(header)) + 4 == 7 + 8 + 4
        parsed = container.unpack(encoded.data, LIMITS, lambda _: INIT)
        assert len(parsed.weights) == pytest.approx(stats.bits_per_weight * stats.n_weights / 8, abs=2)
        assert info.bits_per_weight == pytest.approx(stats.bits_per_weight)


def test_a_portrait_has_the_weights_of_the_transposed_landscape(files):
    portrait, landscape = (
        contents.unpack(files[name].data, LIMITS, lambda _: INIT).weights for name in ("portrait", "landscape")
    )
    assert portrait.step_indices == landscape.step_indices
    for a, b in zip(portrait.integers, landscape.integers, strict=True):
        np.testing.assert_array_equal(a, b)
    assert files["portrait"].stats.psnr_db == pytest.approx(files["landscape"].stats.psnr_db, abs=1e-9)
    assert len(files["portrait"].data) == len(files["landscape"].data)


@pytest.mark.parametrize(
    ("upright", "lying"),
    [
        ({}, {}),
        ({"region": (2, 3, 5, 9)}, {"region": (3, 2, 9, 5)}),
        ({"region": (1, 20, 16, 11), "size": (8, 30)}, {"region": (20, 1, 11, 16), "size": (30, 8)}),
        ({"size": (40, 10)}, {"size": (10, 40)}),
        ({"scale": 0.5}, {"scale": 0.5}),
    ],
)
def test_views_of_a_transposed_file_are_in_the_pictures_own_coordinates(files, upright, lying):
    for antialias in inrc.Antialias:
        portrait = inrc.decode(files["portrait"].data, init=INIT, antialias=antialias, **upright).pixels
        landscape = inrc.decode(files["landscape"].data, init=INIT, antialias=antialias, **lying).pixels
        np.testing.assert_array_equal(portrait, landscape.swapaxes(0, 1))


def test_a_region_of_a_portrait_is_that_part_of_it(files):
    data = files["portrait"].data
    whole = inrc.decode(data, init=INIT).pixels.astype(int)
    part = inrc.decode(data, init=INIT, region=(3, 12, 9, 19)).pixels.astype(int)
    assert part.shape == (19, 9, 3)
    assert np.abs(part - whole[12:31, 3:12]).max() <= 1
    with pytest.raises(ConfigError, match="17x31 picture"):
        inrc.decode(data, init=INIT, region=(3, 12, 19, 9))


class TestTargets:
    @pytest.mark.parametrize("name", ["landscape", "portrait"])
    def test_max_bytes_is_kept_and_used(self, files, archive, name):
        limit = len(files[name].data) - 40
        fit = dataclasses.replace(pictures.FIT, n_passes=80)
        encoded = encode(PICTURES[name], fit=fit, init=str(archive), max_bytes=limit)
        assert 0.8 * limit < len(encoded.data) <= limit
        assert encoded.stats.init == INIT.id.hex()

    def test_target_psnr_is_met_from_above(self, files, archive):
        target = files["portrait"].stats.psnr_db - 0.8
        encoded = encode(PICTURES["portrait"], fit=pictures.FIT, init=str(archive), target_psnr=target)
        assert target <= encoded.stats.psnr_db <= target + 0.1
        assert len(encoded.data) < len(files["portrait"].data)
        decoded = inrc.decode(encoded.data, init=INIT).pixels.astype(float)
        mse = np.mean((decoded - PICTURES["portrait"].pixels) ** 2)
        assert 10 * np.log10(255**2 / mse) == pytest.approx(encoded.stats.psnr_db, abs=1e-6)


def test_an_init_that_knows_the_picture_saves_much_of_the_file(tmp_path):
    """The mean is the fitted network itself, rounded; the file has only what is left to say."""
    fit = dataclasses.replace(pictures.FIT, n_passes=300, lambda_rd=3e-4)
    plain = encode(LANDSCAPE, EncodeOptions(model=MODEL, fit=fit))
    file = contents.unpack(plain.data, LIMITS)
    params = file.params
    init = SharedInit(
        MODEL,
        file.header.shape,
        3,
        {name: matrix.astype(np.float16) for name, matrix in params.items()},
        {name: np.full(matrix.shape, 104, np.uint8) for name, matrix in params.items()},  # 2^-11
        dict(zip(params, file.weights.steps, strict=True)),
        fit.lambda_rd,
    )
    path = tmp_path / "init.npz"
    shared_init.save(init, path)
    slow = dataclasses.replace(fit, n_passes=20, schedule=Schedule(learning_rate=2e-4))
    known = encode(LANDSCAPE, EncodeOptions(init=str(path), fit=slow))
    assert len(known.data) < 0.7 * len(plain.data)
    assert known.stats.psnr_db > plain.stats.psnr_db - 1.0


class TestStart:
    @pytest.fixture
    def planned(self, archive):
        """From a picture and options to what its first fit is given."""

        def plan(image: Image, options: EncodeOptions | None = None) -> Plan:
            return Job(image, options or EncodeOptions(init=str(archive)), None, None).first_plan()

        return plan

    def test_it_is_the_inits(self, planned):
        plan = planned(PICTURES["portrait"])
        start = plan.task.start
        reference = reference_of(INIT, (17, 31), 3)
        assert plan.header.model == INIT.model
        assert plan.task.target.values.shape == (3, 17, 31)
        for name, mean in reference.mean.items():
            np.testing.assert_array_equal(start.mean[name], mean)
            expected = 2.0 ** (reference.scale_indices[name] / 8.0 - 24)
            np.testing.assert_allclose(start.scale[name], expected, rtol=1e-6)

    @pytest.mark.parametrize("loss", ["mse", "l1"])
    def test_steps_follow_lambda(self, planned, archive, loss):
        config = CoordinateFitConfig(lambda_rd=4 * INIT.lambda_rd * LOSSES[loss].slope, loss=LOSSES[loss])
        start = planned(LANDSCAPE, EncodeOptions(init=str(archive), fit=config)).task.start
        assert start.steps == pytest.approx({name: 2 * step for name, step in INIT.steps.items()})

    def test_without_lambda_steps_follow_the_scales(self, planned, archive):
        options = EncodeOptions(init=str(archive), fit=CoordinateFitConfig(lambda_rd=0.0))
        assert planned(LANDSCAPE, options).task.start.steps is None

    @pytest.mark.parametrize("name", ["portrait", "gray portrait"])
    def test_rates_of_inner_steps_are_those_of_the_weights_that_the_picture_has(self, planned, tmp_path, name):
        init = with_rates(INIT)
        shared_init.save(init, tmp_path / "rates.npz")
        start = planned(PICTURES[name], EncodeOptions(init=str(tmp_path / "rates.npz"))).task.start
        for layer, mean in start.mean.items():
            assert start.inner_rates[layer].shape == (2, *mean.shape)
        last = 2.0 ** (init.rate_indices["layer_0"][..., -1] / 8.0 - 24)
        np.testing.assert_allclose(start.inner_rates["layer_0"][..., -1], last, rtol=1e-6)
        assert not planned(PICTURES[name]).task.start.inner_rates

    def test_gray_has_one_output(self, planned):
        task = planned(PICTURES["gray portrait"]).task
        assert task.target.values.shape == (1, 11, 24)
        assert len(task.start.mean["layer_2"]) == 1

    def test_without_an_init_there_is_none(self, planned):
        task = planned(PICTURES["portrait"], EncodeOptions(init="none", model=MODEL)).task
        assert task.start is None
        assert task.target.values.shape == (3, 31, 17)


class TestRefusals:
    def test_a_missing_init_says_which_and_what_to_do(self, files):
        for call in (inrc.decode, inrc.info):
            with pytest.raises(InitMismatchError, match=rf"{INIT.id.hex()}.*--init.*INRC_INIT_PATH"):
                call(files["landscape"].data)

    def test_it_is_found_in_a_folder_of_the_users(self, files, archive, monkeypatch):
        monkeypatch.setenv(shared_init.PATH_VARIABLE, str(archive.parent))
        decoded = inrc.decode(files["landscape"].data).pixels
        np.testing.assert_array_equal(decoded, inrc.decode(files["landscape"].data, init=INIT).pixels)
        digits = encode(LANDSCAPE, fit=pictures.FIT, init=INIT.id.hex()[:6])
        assert digits.data == files["landscape"].data

    def test_another_init_is_refused_with_both_ids(self, files):
        for call in (inrc.decode, inrc.info):
            with pytest.raises(InitMismatchError, match=rf"{INIT.id.hex()}.*{OTHER.id.hex()} was given"):
                call(files["landscape"].data, init=OTHER)
        with pytest.raises(InitMismatchError, match="No such file"):
            inrc.decode(files["landscape"].data, init="nowhere.npz")

    def test_files_without_an_init_ignore_one(self):
        data = encode(pictures.crop(1, 1, 1), EncodeOptions(model=pictures.MODEL, fit=pictures.FIT)).data
        np.testing.assert_array_equal(inrc.decode(data).pixels, inrc.decode(data, init=INIT).pixels)

    def test_a_damaged_id_is_damage_and_no_missing_init(self, files):
        data = bytearray(files["landscape"].data)
        data[9] ^= 1
        with pytest.raises(CorruptFileError, match="checksum"):
            inrc.decode(bytes(data), init=INIT)

    @pytest.mark.parametrize("transposed", [False, True])
    @pytest.mark.parametrize(
        ("change", "what"),
        [
            ({"channels": 2, "colour": ColourTransform.RGB}, "3 outputs, the picture 2 channels"),
            ({"channels": 4}, "3 outputs, the picture 4 channels"),
            ({"width": 32}, "lacks frequencies"),
            ({"height": 3000}, "lacks frequencies"),
        ],
    )
    def test_a_picture_that_cannot_have_the_init_is_corrupt(self, change, what, transposed):
        small = random_init(shape=(16, 16))
        sound = headers.Header(31, 31, 3, 8, ColourTransform.YCBCR, MODEL, small.id, transposed=transposed)
        with pytest.raises(CorruptFileError, match="quantisation steps"):  # of the empty stream: no wall before it
            inrc.info(container.pack(Container(sound, b"", {})), init=small)
        data = container.pack(Container(dataclasses.replace(sound, **change), b"", {}))
        with pytest.raises(CorruptFileError, match=f"shared init that its picture cannot have.*{what}"):
            inrc.info(data, init=small)

    def test_the_inits_weights_count_for_the_limits(self, files):
        n_weights = files["landscape"].stats.n_weights
        inrc.info(files["landscape"].data, init=INIT, limits=inrc.DecodeLimits(max_parameters=n_weights))
        with pytest.raises(LimitExceededError, match=f"{n_weights} weights"):
            inrc.info(files["landscape"].data, init=INIT, limits=inrc.DecodeLimits(max_parameters=n_weights - 1))

    @pytest.mark.parametrize("channels", [2, 4])
    def test_named_inits_do_not_take_every_picture(self, archive, channels):
        with pytest.raises(ConfigError, match=r"has 3 outputs.*--init none"):
            encode(pictures.crop(5, 6, channels), init=str(archive))

    def test_nor_every_colour_size_or_model(self, archive, tmp_path):
        with pytest.raises(ConfigError, match=r"is of YCBCR, the colour RGB is asked for.*--init none"):
            encode(LANDSCAPE, init=str(archive), colour=ColourTransform.RGB)
        assert choose_init(EncodeOptions(init=str(archive), colour=ColourTransform.RGB), (9, 9), 1, 1.0) is not None
        shared_init.save(random_init(shape=(16, 16)), tmp_path / "small.npz")
        with pytest.raises(ConfigError, match="lacks frequencies"):
            encode(PICTURES["portrait"].pixels.repeat(2, 0), init=str(tmp_path / "small.npz"))
        with pytest.raises(ConfigError, match="both a model and an init"):
            EncodeOptions(init=str(archive), model=MODEL)
        with pytest.raises(InitMismatchError, match="No such file"):
            encode(LANDSCAPE, init="nowhere.npz")


class TestAuto:
    SHAPE = (64, 96)
    ENCODING = EncodingConfig(EncodingKind.LOG_SPACED, 16)

    @pytest.fixture
    def shipped(self, monkeypatch):
        """Inits of the default codec's encoding, of about 3,000, 1,600 and 900 weights, and one of another."""
        inits = [random_init(ModelConfig(widths=widths, encoding=self.ENCODING), self.SHAPE) for widths in
                 ((40, 25, 18, 15), (26, 16, 11, 10), (17, 11, 7, 6))]  # fmt: skip
        monkeypatch.setattr(shared_init, "shipped", lambda codec: (random_init(), *inits))
        return inits

    @staticmethod
    def bpp_for(n_weights: float) -> float:
        return n_weights * presets._BITS_PER_WEIGHT / (64 * 96)

    def test_the_nearest_size_is_taken_within_reach(self, shipped):
        sizes = [init.n_weights for init in shipped]
        for wanted, chosen in (
            (sizes[0], 0),
            (1.55 * sizes[0], 0),
            (1.65 * sizes[0], None),
            ((sizes[0] * sizes[1]) ** 0.5 * 1.02, 0),
            ((sizes[0] * sizes[1]) ** 0.5 * 0.98, 1),
            (sizes[2] / 1.55, 2),
            (sizes[2] / 1.7, None),
        ):
            init = choose_init(EncodeOptions(), self.SHAPE, 3, self.bpp_for(wanted))
            assert init is (None if chosen is None else shipped[chosen])
            assert choose_init(EncodeOptions(init="none"), self.SHAPE, 3, self.bpp_for(wanted)) is None
        assert choose_init(EncodeOptions(), (96, 64), 3, self.bpp_for(sizes[1])) is shipped[1]

    def test_its_network_is_fitted(self, shipped):
        bpp = self.bpp_for(shipped[1].n_weights)
        model, config, _ = resolve(EncodeOptions(), self.SHAPE, 3, bpp, shipped[1])
        plain = resolve(EncodeOptions(), self.SHAPE, 3, bpp).config
        assert isinstance(model, ModelConfig)
        assert isinstance(config, CoordinateFitConfig)
        assert isinstance(plain, CoordinateFitConfig)
        assert model == shipped[1].model
        assert config == dataclasses.replace(
            plain,
            schedule=dataclasses.replace(config.schedule, learning_rate=presets.learning_rate_for(model)),
        )

    @pytest.mark.parametrize(
        ("options", "shape", "channels"),
        [
            ({"model": MODEL}, CANVAS, 3),
            ({"fit": CoordinateFitConfig(weight_bits=6)}, CANVAS, 3),
            ({"colour": ColourTransform.YCOCG}, CANVAS, 3),
            ({"codec": "siren-nerf"}, CANVAS, 3),
            ({"codec": "fourier"}, CANVAS, 3),
            ({}, CANVAS, 4),
            ({}, CANVAS, 2),
            ({}, (256, 24), 3),  # the canvas lacks frequencies of the long side
        ],
    )
    def test_where_it_does_not_suit_there_is_none(self, shipped, options, shape, channels):
        bpp = self.bpp_for(shipped[1].n_weights)
        assert choose_init(EncodeOptions(), CANVAS, 3, bpp) is shipped[1]
        assert choose_init(EncodeOptions(), CANVAS, 1, bpp) is shipped[1]
        assert choose_init(EncodeOptions(**options), shape, channels, bpp) is None

    @pytest.mark.slow
    def test_files_with_one_that_is_shipped_need_no_name(self, shipped, monkeypatch):
        monkeypatch.setattr(library, "_inits", lambda *_, **__: iter(shipped))
        bpp = self.bpp_for(shipped[2].n_weights)
        quality = 100 * np.log2(bpp / 0.03) / 6
        encoded = encode(pictures.crop(64, 96, 3), quality=float(quality), fit=CoordinateFitConfig(n_passes=1))
        assert encoded.stats.init == shipped[2].id.hex()
        assert inrc.decode(encoded.data).pixels.shape == (64, 96, 3)
