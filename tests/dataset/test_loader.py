import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import grain
import numpy as np
import pytest

import inrc
from inrc.codec import file as contents
from inrc.dataset.loader import open_dataset, open_weights
from inrc.errors import ConfigError, DatasetError, NotInrFileError, UnreadableImageError
from inrc.models import coordinate_jax, renderers
from tests.dataset.samples import ENCODE, picture
from tests.dataset.test_sources import tar_of

N = 6


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Files of one network: 8x6 pixels."""
    root = tmp_path_factory.mktemp("inr")
    for seed in range(N):
        (root / f"{seed % 2}").mkdir(exist_ok=True)
        (root / f"{seed % 2}/{seed}.inr").write_bytes(inrc.encode(picture(seed), ENCODE).data)
    (root / "manifest.jsonl").touch()
    return root


@pytest.fixture(scope="module")
def files(folder) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.inr"))}


def test_elements_are_what_decode_gives(folder, files):
    dataset = inrc.open_dataset(folder)
    assert (len(dataset), dataset.names) == (N, list(files))
    for element, data in zip(dataset, files.values(), strict=True):
        np.testing.assert_array_equal(element, inrc.decode(data).pixels)
    assert dataset[1].dtype == np.uint8
    with pytest.raises(IndexError):
        dataset[N]


def test_at_any_size(folder, files):
    data = list(files.values())[2]
    cases: list[tuple[dict[str, Any], tuple[int, ...]]] = [
        ({"size": (5, 4)}, (4, 5, 3)),
        ({"scale": 2.0}, (12, 16, 3)),
        ({"region": (1, 2, 4, 3)}, (3, 4, 3)),
    ]
    for options, shape in cases:
        element = open_dataset(folder, **options)[2]
        assert element.shape == shape
        np.testing.assert_array_equal(element, inrc.decode(data, **options).pixels)


def test_files_of_one_network_share_a_program(folder, monkeypatch):
    monkeypatch.setattr(renderers, "on_accelerator", lambda: True)
    programs = coordinate_jax._means._cache_size  # pyright: ignore[reportAttributeAccessIssue]
    dataset = open_dataset(folder, scale=3.0)
    dataset[0]
    n_programs = programs()
    list(dataset)
    assert programs() == n_programs


def test_weights_are_those_of_the_decoder(folder, files):
    dataset = inrc.open_weights(folder)
    for (header, params, latents), data in zip(dataset, files.values(), strict=True):
        file = contents.unpack(data, inrc.DecodeLimits())
        assert header == file.header
        assert latents == ()
        assert (header.width, header.height) == (8, 6)
        assert list(params) == list(file.params) == ["layer_0", "layer_1"]
        for name, matrix in params.items():
            assert matrix.dtype == np.float32
            np.testing.assert_array_equal(matrix, file.params[name])
    assert any((dataset[0].params[name] != dataset[1].params[name]).any() for name in ("layer_0", "layer_1"))


def test_shards_hold_the_same(folder, files, tmp_path):
    names = list(files)
    tar_of(tmp_path / "shard-0-000000.tar", {name: files[name] for name in names[:4]})
    tar_of(tmp_path / "shard-0-000001.tar", {name: files[name] for name in names[4:]})
    dataset = open_dataset(tmp_path)
    assert dataset.names == [f"shard-0-00000{i // 4}/{name}" for i, name in enumerate(names)]
    for one, other in zip(dataset, open_dataset(folder), strict=True):
        np.testing.assert_array_equal(one, other)
    assert len(open_dataset(f"{tmp_path}/*1.tar")) == 2
    assert len(open_dataset(tmp_path / "shard-0-000000.tar")) == 4


def test_on_other_file_systems(files, memory):
    memory.pipe_file("/x/a.inr", files["0/0.inr"])
    np.testing.assert_array_equal(open_dataset("memory://x")[0], inrc.decode(files["0/0.inr"]).pixels)


def test_orders(folder):
    dataset = open_dataset(folder)

    def order(**options) -> list[int]:
        plain = [element.tobytes() for element in dataset]
        return [plain.index(element.tobytes()) for element in dataset.iterate(**options)]

    assert order() == list(range(N))
    assert order(n_threads=3, n_ahead=1) == list(range(N))
    shuffled = order(seed=1)
    assert sorted(shuffled) == list(range(N)) != shuffled
    assert order(seed=1, n_ahead=100) == shuffled == np.random.default_rng((1, 0)).permutation(N).tolist()
    assert order(seed=1, epoch=1) != shuffled
    assert next(iter(dataset)).shape == (6, 8, 3)  # a loop may end early


def test_hosts_share_the_elements(folder):
    dataset = open_dataset(folder)
    parts = [dataset.shard(index, 4) for index in range(4)]
    assert [len(part) for part in parts] == [2, 2, 1, 1]
    assert sorted(name for part in parts for name in part.names) == dataset.names
    np.testing.assert_array_equal(parts[1][1], dataset[5])
    for index in (-1, 4):
        with pytest.raises(ConfigError, match=r"must lie in 0\.\.3"):
            dataset.shard(index, 4)


def test_bad_files_are_named_and_may_be_left_out(folder, tmp_path):
    for path in folder.glob("0/*.inr"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "1.inr").write_bytes(b"nonsense")
    dataset = open_dataset(tmp_path)
    with pytest.raises(NotInrFileError, match=r"1\.inr: this is not an \.inr file"):
        dataset[1]
    with pytest.raises(NotInrFileError, match=r"1\.inr"):
        list(dataset)
    errors = []
    found = list(dataset.iterate(on_error=lambda name, error: errors.append((name, type(error)))))
    assert (len(found), errors) == (3, [("1.inr", NotInrFileError)])
    (tmp_path / "1.inr").unlink()
    with pytest.raises(UnreadableImageError, match="No such file"):
        dataset[1]
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="nothing to read"):
        open_dataset(tmp_path / "empty")


def test_an_init_is_read_once_and_goes_to_other_processes(tmp_path):
    from tests.shared_init.inits import random_init

    init = random_init()
    inrc.shared_init.save(init, tmp_path / "init.npz")
    encoded = inrc.encode(picture(0, 8, 8), init=str(tmp_path / "init.npz"), fit=ENCODE.fit)
    (tmp_path / "a.inr").write_bytes(encoded.data)
    dataset = open_dataset(tmp_path / "a.inr", init=tmp_path / "init.npz")
    weights = open_weights(tmp_path / "a.inr", init=init)
    (tmp_path / "init.npz").unlink()
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(dataset))[0], inrc.decode(encoded.data, init=init).pixels)
    assert weights[0].header.init_id == init.id
    with pytest.raises(inrc.errors.InitMismatchError, match=r"a\.inr: the file needs the shared init"):
        open_weights(tmp_path / "a.inr")[0]


class TestGrain:
    def test_a_pipeline(self, folder, files):
        dataset = open_dataset(folder, size=(4, 4))
        pipeline = grain.MapDataset.source(dataset).seed(3).shuffle().map(lambda x: x.astype(np.float32) / 255).batch(2)
        batches = list(pipeline)
        assert [batch.shape for batch in batches] == [(2, 4, 4, 3)] * 3
        expected = sorted((element.astype(np.float32) / 255).tobytes() for element in dataset)
        assert sorted(element.tobytes() for batch in batches for element in batch) == expected

    def test_weights_as_pytrees(self, folder):
        batch = next(iter(grain.MapDataset.source(open_weights(folder)).map(lambda network: network.params).batch(N)))
        assert batch["layer_1"].shape == (N, 3, 5)
        np.testing.assert_array_equal(batch["layer_0"][4], open_weights(folder)[4].params["layer_0"])

    def test_threads_and_slices(self, folder):
        dataset = open_dataset(folder)
        loaded = list(grain.MapDataset.source(dataset)[1::2].to_iter_dataset(grain.ReadOptions(num_threads=2)))
        np.testing.assert_array_equal(np.stack(loaded), np.stack(list(dataset.shard(1, 2))))

    def test_another_process(self, folder):
        dataset = pickle.loads(pickle.dumps(open_dataset(folder)))
        np.testing.assert_array_equal(dataset[3], open_dataset(folder)[3])


def test_imports_neither_grain_nor_the_training_stack(folder):
    code = (
        "import sys, inrc; inrc.open_dataset(sys.argv[1])[0]; inrc.open_weights(sys.argv[1])[0];"
        "print([n for n in sys.modules"
        " if n.split('.')[0] in ('grain', 'jax', 'flax', 'optax', 'orbax', 'matplotlib', 'ray')"
        " or n.startswith(('inrc.fit', 'inrc.codec.encode', 'inrc.dataset.pipeline'))])"
    )
    done = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
