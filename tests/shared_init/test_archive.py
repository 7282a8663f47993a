"""The archive: round trips, what the hash covers, and refusal of all that is not an init."""

import dataclasses
import hashlib
import io
import json
import zipfile

import numpy as np
import pytest

from inrc import shared_init
from inrc.config import EncodingConfig, EncodingKind, LatentGridConfig, ModelConfig, ModelFamily
from inrc.errors import ConfigError, InitMismatchError
from inrc.shared_init import SharedInit
from tests.shared_init.inits import GAUSSIAN, LATENT_GRID, random_init, random_latent_init, with_rates

INIT = random_init()
LATENT = random_latent_init()


@pytest.mark.parametrize("init", [INIT, random_init(GAUSSIAN, (20, 20)), random_init(n_outputs=1), LATENT])
def test_everything_comes_back(tmp_path, init):
    path = tmp_path / "any name.npz"
    shared_init.save(init, path)
    back = shared_init.load(path)
    assert (back.model, back.shape, back.n_outputs) == (init.model, init.shape, init.n_outputs)
    assert (back.steps, back.lambda_rd) == (init.steps, init.lambda_rd)
    for name in init.mean:
        np.testing.assert_array_equal(back.mean[name], init.mean[name])
        np.testing.assert_array_equal(back.scale_indices[name], init.scale_indices[name])
        assert (back.mean[name].dtype, back.scale_indices[name].dtype) == (np.float16, np.uint8)
    assert back.sha256 == init.sha256
    assert [p.name for p in tmp_path.iterdir()] == ["any name.npz"]


def test_rates_and_codec_come_back_and_leave_the_identity_as_it_is(tmp_path):
    init = dataclasses.replace(with_rates(INIT, 3), codec="strumpler-meta")
    shared_init.save(init, tmp_path / "init.npz")
    back = shared_init.load(tmp_path / "init.npz")
    assert (back.codec, back.n_inner_steps, back.sha256) == ("strumpler-meta", 3, INIT.sha256)
    for name, rates in init.rate_indices.items():
        np.testing.assert_array_equal(back.rate_indices[name], rates)
    assert (INIT.codec, INIT.n_inner_steps) == ("", 0)


def test_the_id_is_the_beginning_of_the_hash():
    assert INIT.id == bytes.fromhex(INIT.sha256[:16])
    assert INIT.n_weights == 9 * 27 + 7 * 10 + 3 * 8


def test_the_hash_is_the_documents():
    model = ModelConfig(ModelFamily.FOURIER, (1,), EncodingConfig(EncodingKind.NONE, 1, 0.25), 1, bias=False)
    init = SharedInit(
        model, (4, 6), 1,
        {"layer_0": np.array([[1, -2]], np.float16), "layer_1": np.array([[0.5]], np.float16)},
        {"layer_0": np.array([[7, 8]], np.uint8), "layer_1": np.array([[255]], np.uint8)},
        {"layer_0": 1.0, "layer_1": 1.0}, 1.0,
    )  # fmt: skip
    text = (
        b'{"bias": false, "encoding": {"kind": "NONE", "n_frequencies": 1, "sigma": 0.25}, "family": "FOURIER", '
        b'"n_outputs": 1, "omega_0": 1, "shape": [4, 6], "widths": [1]}'
        b"layer_0 (1, 2) <f2\x00\x3c\x00\xc0layer_0 (1, 2) u1\x07\x08layer_1 (1, 1) <f2\x00\x38layer_1 (1, 1) u1\xff"
    )
    assert init.sha256 == hashlib.sha256(text).hexdigest()


def test_the_hash_of_latent_grids_is_the_documents():
    model = LatentGridConfig(1, 0, 1, 0, 0, 0, 1, 0, refinement=False)
    init = SharedInit(
        model, (4, 6), 1,
        {
            "context_out": np.array([[1, -2], [0, 0]], np.float16), "context_skip": np.array([[0.5], [1]], np.float16),
            "synthesis_0": np.array([[1, 0]], np.float16), "synthesis_1": np.array([[0, 1]], np.float16),
            "synthesis_skip": np.array([[2]], np.float16),
        },
        {
            "context_out": np.array([[1, 2], [3, 4]], np.uint8), "context_skip": np.array([[5], [6]], np.uint8),
            "synthesis_0": np.array([[7, 8]], np.uint8), "synthesis_1": np.array([[9, 10]], np.uint8),
            "synthesis_skip": np.array([[11]], np.uint8),
        },
        dict.fromkeys(("context_out", "context_skip", "synthesis_0", "synthesis_1", "synthesis_skip"), 1.0), 1.0,
    )  # fmt: skip
    text = (
        b'{"context_layers": 0, "family": "LATENT_GRID", "n_cross": 0, "n_cross_levels": 0, "n_grids": 1, '
        b'"n_hyper": 0, "n_outputs": 1, "n_residual": 0, "n_spatial": 1, "refinement": false, "shape": [4, 6], '
        b'"synthesis_width": 1}'
        b"context_out (2, 2) <f2\x00\x3c\x00\xc0\x00\x00\x00\x00context_out (2, 2) u1\x01\x02\x03\x04"
        b"context_skip (2, 1) <f2\x00\x38\x00\x3ccontext_skip (2, 1) u1\x05\x06"
        b"synthesis_0 (1, 2) <f2\x00\x3c\x00\x00synthesis_0 (1, 2) u1\x07\x08"
        b"synthesis_1 (1, 2) <f2\x00\x00\x00\x3csynthesis_1 (1, 2) u1\x09\x0a"
        b"synthesis_skip (1, 1) <f2\x00\x40synthesis_skip (1, 1) u1\x0b"
    )
    assert init.sha256 == hashlib.sha256(text).hexdigest()


@pytest.mark.parametrize(
    "change", [{"n_spatial": 2, "n_cross": 3}, {"n_hyper": 0}, {"n_residual": 1}, {"refinement": False}]
)
def test_another_configuration_of_latent_grids_is_another_init(change):
    assert random_latent_init(dataclasses.replace(LATENT_GRID, **change)).sha256 != LATENT.sha256


def changed(tree, name):
    copy = {key: matrix.copy() for key, matrix in tree.items()}
    copy[name].flat[3] += 1
    return copy


def test_the_hash_covers_all_that_a_decoder_needs():
    others = [
        dataclasses.replace(INIT, mean=changed(INIT.mean, "layer_1")),
        dataclasses.replace(INIT, scale_indices=changed(INIT.scale_indices, "layer_2")),
        dataclasses.replace(INIT, shape=(65, 96)),
        dataclasses.replace(INIT, model=dataclasses.replace(INIT.model, omega_0=29)),
        dataclasses.replace(INIT, model=dataclasses.replace(INIT.model, family=ModelFamily.FOURIER)),
        random_init(n_outputs=4),
    ]
    assert len({init.sha256 for init in (INIT, *others)}) == 1 + len(others)


def test_hints_for_encoders_and_names_of_files_are_not_hashed(tmp_path):
    steps = {name: 2 * step for name, step in INIT.steps.items()}
    assert dataclasses.replace(INIT, steps=steps, lambda_rd=1.0).sha256 == INIT.sha256
    mean = {name: np.asfortranarray(matrix.astype(">f2").astype("<f2")) for name, matrix in INIT.mean.items()}
    assert dataclasses.replace(INIT, mean=mean).sha256 == INIT.sha256


@pytest.mark.parametrize(
    "change",
    [
        {"n_outputs": 0},
        {"n_outputs": 5},
        {"n_outputs": 2},
        {"shape": (0, 96)},
        {"shape": (4, 96)},
        {"lambda_rd": 0.0},
        {"lambda_rd": float("inf")},
        {"steps": {"layer_0": 1.0, "layer_1": 1.0}},
        {"steps": {**INIT.steps, "layer_2": -1.0}},
        {"steps": {**INIT.steps, "layer_2": float("nan")}},
        {"mean": {name: matrix.astype(np.float32) for name, matrix in INIT.mean.items()}},
        {"mean": {name: INIT.mean[name] for name in ("layer_1", "layer_0", "layer_2")}},
        {"mean": {**INIT.mean, "layer_2": INIT.mean["layer_2"].T}},
        {"mean": {**INIT.mean, "layer_2": np.full((3, 8), np.inf, np.float16)}},
        {"scale_indices": {name: matrix.astype(np.int32) for name, matrix in INIT.scale_indices.items()}},
        {"rate_indices": INIT.scale_indices},
        {"rate_indices": {name: np.zeros((101, *m.shape), np.uint8) for name, m in INIT.mean.items()}},
        {"rate_indices": {**with_rates(INIT, 2).rate_indices, "layer_2": with_rates(INIT, 3).rate_indices["layer_2"]}},
        {"rate_indices": {"layer_0": with_rates(INIT).rate_indices["layer_0"]}},
        {"rate_indices": {name: np.uint8(7) for name in INIT.mean}},
    ],
)
def test_contradictions_are_config_errors(change):
    with pytest.raises(ConfigError):
        dataclasses.replace(INIT, **change)


class TestDamage:
    @pytest.fixture
    def path(self, tmp_path):
        path = tmp_path / "init.npz"
        shared_init.save(INIT, path)
        return path

    @staticmethod
    def refused(path) -> str:
        with pytest.raises(InitMismatchError) as raised:
            shared_init.load(path)
        assert "\n" not in str(raised.value)
        assert str(path) in str(raised.value)
        return str(raised.value)

    @staticmethod
    def rewrite(path, description=None, **arrays):
        """Writes the archive anew with other values; None leaves an array out."""
        with np.load(path) as archive:
            content = dict(archive)
        about = json.loads(str(content["about"])) | (description or {})
        content |= {"about": np.array(json.dumps(about)), **arrays}
        np.savez(path, allow_pickle=True, **{name: array for name, array in content.items() if array is not None})

    def test_a_rewritten_archive_is_still_sound(self, path):
        self.rewrite(path)
        assert shared_init.load(path).sha256 == INIT.sha256

    def test_missing_files(self, tmp_path):
        assert "No such file" in self.refused(tmp_path / "nowhere.npz")
        self.refused(tmp_path)

    @pytest.mark.parametrize("content", [b"", b"not an archive", b"PK\x05\x06" + bytes(18), b"\x93NUMPY"])
    def test_other_files(self, path, content):
        path.write_bytes(content)
        self.refused(path)

    def test_a_bare_array(self, path):
        buffer = io.BytesIO()
        np.save(buffer, np.zeros(3))
        path.write_bytes(buffer.getvalue())
        self.refused(path)

    def test_truncation_and_flips_are_refused_or_change_nothing(self, path):
        data = path.read_bytes()
        generator = np.random.default_rng(0)
        for cut in generator.integers(1, len(data), 40):
            path.write_bytes(data[:-cut])
            self.refused(path)
        refused = 0
        for position in generator.integers(0, len(data), 150):
            damaged = bytearray(data)
            damaged[position] ^= 1 << int(generator.integers(8))
            path.write_bytes(bytes(damaged))
            try:
                assert shared_init.load(path).sha256 == INIT.sha256  # a date, say
            except InitMismatchError:
                refused += 1
        assert refused > 75

    def test_bombs(self, path):
        with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("more.npy", bytes((1 << 26) + 1))
        assert path.stat().st_size < 100_000
        assert str(1 << 26) in self.refused(path)

    def test_pickles(self, path):
        self.rewrite(path, **{"mean/layer_0": np.array([[print]], object)})
        self.refused(path)

    @pytest.mark.parametrize(
        "about",
        [
            {"family": "MLP"},
            {"family": 0},
            {"widths": []},
            {"widths": [9, 8]},
            {"widths": [9.0, 7.0]},
            {"widths": [True, 7]},
            {"widths": "97"},
            {"widths": None},
            {"encoding": {"kind": "NERF"}},
            {"encoding": {"kind": "NERF", "n_frequencies": 6, "sigma": 0.1}},
            {"encoding": {"kind": "NERF", "n_frequencies": 5, "sigma": 10.0}},
            {"encoding": {"kind": "NERF", "n_frequencies": 6.0, "sigma": 10.0}},
            {"omega_0": 256},
            {"bias": 1},
            {"bias": False},
            {"shape": [64]},
            {"shape": [64, 96, 1]},
            {"shape": [64.0, 96.0]},
            {"shape": [8, 96]},
            {"n_outputs": 4},
            {"n_outputs": "3"},
            {"steps": {}},
            {"steps": 3},
            {"lambda_rd": "much"},
            {"lambda_rd": 0},
        ],
    )
    def test_descriptions_that_do_not_describe_it(self, path, about):
        self.rewrite(path, about)
        self.refused(path)

    @pytest.mark.parametrize(
        "arrays",
        [
            {"about": np.array("no JSON")},
            {"about": np.array("[]")},
            {"about": None},
            {"mean/layer_1": None},
            {"mean/layer_3": np.zeros((1, 1), np.float16)},
            {"mean/layer_1": INIT.mean["layer_1"].astype(np.float32)},
            {"mean/layer_1": INIT.mean["layer_1"][:, :-1]},
            {"mean/layer_1": np.full((7, 10), np.nan, np.float16)},
            {"scale/layer_1": INIT.scale_indices["layer_1"].astype(np.int16)},
        ],
    )
    def test_arrays_that_are_not_those_of_the_network(self, path, arrays):
        self.rewrite(path, **arrays)
        self.refused(path)
