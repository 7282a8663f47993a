import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.signal import correlate

from inrc.errors import ConfigError, UnsupportedImageError
from inrc.metrics.lpips import Lpips, load_lpips, lpips, lpips_path

Arrays = dict[str, npt.NDArray[Any]]
CHANNELS = (3, 64, 192, 384, 256, 256)
SIDES = (11, 5, 3, 3, 3)


@pytest.fixture(scope="session")
def arrays() -> Arrays:
    """Random weights by AlexNet's table of layers, of a size that keeps the features near 1."""
    rng = np.random.default_rng(0)
    made: Arrays = {}
    for layer, side in enumerate(SIDES, start=1):
        n_in, n_out = CHANNELS[layer - 1], CHANNELS[layer]
        deviation = math.sqrt(2 / (n_in * side * side))
        made[f"conv{layer}_kernel"] = rng.normal(0, deviation, (n_out, n_in, side, side)).astype(np.float32)
        made[f"conv{layer}_bias"] = rng.normal(0, 0.1, n_out).astype(np.float32)
        made[f"head{layer}"] = rng.uniform(0, 0.2, n_out).astype(np.float32)
    return made


@pytest.fixture(scope="session")
def weights(arrays: Arrays, tmp_path_factory: pytest.TempPathFactory) -> Lpips:
    return load_lpips(save(tmp_path_factory.mktemp("lpips") / "random.npz", arrays))


def save(path: Path, arrays: Arrays) -> Path:
    np.savez(path, **arrays)  # pyright: ignore[reportArgumentType]
    return path


def picture(height: int, width: int, seed: int = 0) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def independent_features(arrays: Arrays, pixels: npt.NDArray[np.uint8]) -> list[npt.NDArray[np.float64]]:
    """AlexNet's five activations in float64, each [C, h, w], with a convolution at stride 1 that is then thinned."""
    shift, scale = np.array([-0.030, -0.088, -0.188]), np.array([0.458, 0.448, 0.450])
    maps = np.moveaxis((pixels / 127.5 - 1 - shift) / scale, -1, 0)
    found = []
    for layer, (stride, margin) in enumerate([(4, 2), (1, 2), (1, 1), (1, 1), (1, 1)], start=1):
        if layer in (2, 3):
            windows = np.lib.stride_tricks.sliding_window_view(maps, (3, 3), axis=(1, 2))
            maps = windows[:, ::2, ::2].max(axis=(-2, -1))
        padded = np.pad(maps, ((0, 0), (margin, margin), (margin, margin)))
        kernels, biases = arrays[f"conv{layer}_kernel"].astype(np.float64), arrays[f"conv{layer}_bias"]
        sums = [correlate(padded, kernel, mode="valid", method="direct")[0] for kernel in kernels]
        maps = np.maximum(0, np.stack(sums)[:, ::stride, ::stride] + biases[:, None, None])
        found.append(maps)
    return found


def independent_lpips(arrays: Arrays, reference: npt.NDArray[np.uint8], decoded: npt.NDArray[np.uint8]) -> float:
    """Equation 1 as a loop over layers and places."""
    total = 0.0
    pair = (independent_features(arrays, pixels) for pixels in (reference, decoded))
    for layer, (first, second) in enumerate(zip(*pair, strict=True), start=1):
        _, height, width = first.shape
        for row, column in np.ndindex(height, width):
            x, y = first[:, row, column], second[:, row, column]
            difference = x / (np.linalg.norm(x) + 1e-10) - y / (np.linalg.norm(y) + 1e-10)
            total += float(np.sum(arrays[f"head{layer}"] * difference**2)) / (height * width)
    return total


@pytest.mark.parametrize(("height", "width"), [(31, 31), (38, 51)])
def test_it_agrees_with_an_independent_implementation(arrays: Arrays, weights: Lpips, height: int, width: int) -> None:
    reference = picture(height, width)
    decoded = np.clip(reference // 2 + 40, 0, 255).astype(np.uint8)
    expected = independent_lpips(arrays, reference, decoded)
    assert expected > 0.01
    assert lpips(weights, reference, decoded) == pytest.approx(expected, rel=1e-5)


def test_identical_pictures_are_at_0(weights: Lpips) -> None:
    assert lpips(weights, picture(38, 51), picture(38, 51)) == 0.0


def test_it_is_symmetric(weights: Lpips) -> None:
    one, other = picture(38, 51), picture(38, 51, seed=1)
    assert lpips(weights, one, other) == pytest.approx(lpips(weights, other, one), rel=1e-6)


def test_stronger_noise_is_further_away(weights: Lpips, coffee_small: npt.NDArray[np.uint8]) -> None:
    crop = coffee_small[:38, :51].astype(np.float64)
    noise = np.random.default_rng(0).normal(size=crop.shape)
    distances = [
        lpips(weights, crop.astype(np.uint8), np.clip(crop + sigma * noise, 0, 255).astype(np.uint8))
        for sigma in (2.0, 8.0, 32.0)
    ]
    assert distances == sorted(distances)
    assert distances[0] > 0


@pytest.mark.parametrize("shape", [(30, 40, 3), (40, 30, 3), (40, 40, 1), (40, 40, 4)])
def test_pictures_that_it_is_not_defined_for_are_refused(weights: Lpips, shape: tuple[int, ...]) -> None:
    pixels = np.zeros(shape, np.uint8)
    with pytest.raises(UnsupportedImageError, match=f"{shape[1]}x{shape[0]} pixels and {shape[2]} channels"):
        lpips(weights, pixels, pixels)


def test_two_shapes_are_refused(weights: Lpips) -> None:
    with pytest.raises(ValueError, match="shapes"):
        lpips(weights, picture(38, 51), picture(51, 38))


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("conv3_bias", None, "no array conv3_bias; it has .*conv3_kernel"),
        ("head2", np.zeros(64, np.float32), r"head2 is float32 \[64\]; it must be float \[192\]"),
        ("head1", np.zeros((1, 64, 1, 1), np.float32), r"must be float \[64\]"),
        ("conv1_kernel", np.zeros((11, 11, 3, 64), np.float32), r"must be float \[64, 3, 11, 11\]"),
        ("conv1_bias", np.zeros(64, np.int32), "int32"),
        ("conv5_bias", np.full(256, np.nan, np.float32), "finite"),
        ("head4", np.full(256, -0.5, np.float32), r"spans -0\.5\.\.-0\.5; .*>= 0\.0"),
    ],
)
def test_a_file_with_a_wrong_array_is_refused(
    arrays: Arrays, tmp_path: Path, name: str, array: npt.NDArray[Any] | None, message: str
) -> None:
    changed = {key: value for key, value in arrays.items() if key != name}
    if array is not None:
        changed[name] = array
    with pytest.raises(ConfigError, match=message):
        load_lpips(save(tmp_path / "wrong.npz", changed))


@pytest.mark.parametrize("content", [b"", b"not an archive", b"PK\x03\x04 torn"])
def test_a_file_that_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "torn.npz").write_bytes(content)
    with pytest.raises(ConfigError, match=r"torn\.npz cannot be read"):
        load_lpips(tmp_path / "torn.npz")


def test_a_missing_file_and_a_lone_array_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load_lpips(tmp_path / "missing.npz")
    np.save(tmp_path / "lone.npy", np.zeros(3))
    with pytest.raises(ConfigError, match="no array conv1_kernel; it has none"):
        load_lpips(tmp_path / "lone.npy")


def test_pickled_arrays_are_never_loaded(tmp_path: Path) -> None:
    np.savez(tmp_path / "objects.npz", conv1_kernel=np.array([{}], object))
    with pytest.raises(ConfigError, match="allow_pickle"):
        load_lpips(tmp_path / "objects.npz")


def test_the_environment_names_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INRC_LPIPS", raising=False)
    assert lpips_path() is None
    monkeypatch.setenv("INRC_LPIPS", "")
    assert lpips_path() is None
    monkeypatch.setenv("INRC_LPIPS", "/somewhere/alex.npz")
    assert lpips_path() == Path("/somewhere/alex.npz")
