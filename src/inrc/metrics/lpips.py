"""LPIPS: a distance between pictures that follows human judgement. It needs a file of weights.

Zhang, Isola, Efros, Shechtman and Wang, "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric",
CVPR 2018: equation 1 with the features of AlexNet and the authors' learned heads, version 0.1 ("lin").

The package ships no weights. `load_lpips` reads them from an .npz file with these 15 float arrays:

  conv1_kernel [64, 3, 11, 11]    conv1_bias [64]     head1 [64]
  conv2_kernel [192, 64, 5, 5]    conv2_bias [192]    head2 [192]
  conv3_kernel [384, 192, 3, 3]   conv3_bias [384]    head3 [384]
  conv4_kernel [256, 384, 3, 3]   conv4_bias [256]    head4 [256]
  conv5_kernel [256, 256, 3, 3]   conv5_bias [256]    head5 [256]

A kernel is [output channels, input channels, height, width]. Kernels and biases are those of the five convolutions of
torchvision's AlexNet trained on ImageNet (weights IMAGENET1K_V1, `features` 0, 3, 6, 8 and 10, as they are). The heads
are the five tensors [1, n, 1, 1] of `weights/v0.1/alex.pth` in the authors' package, lin0 to lin4, without the axes of
length 1. Write them with `numpy.savez`.
"""

import os
import zipfile
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from inrc import forks
from inrc.errors import ConfigError, UnsupportedImageError
from inrc.metrics.psnr import check_pair

# A smaller picture has an empty feature map after pooling.
MIN_SIDE = 31
# Means and standard deviations of ImageNet's channels for pixels in -1..1, rounded as the authors round them.
SHIFT = (-0.030, -0.088, -0.188)
SCALE = (0.458, 0.448, 0.450)
KERNEL_SHAPES = ((64, 3, 11, 11), (192, 64, 5, 5), (384, 192, 3, 3), (256, 384, 3, 3), (256, 256, 3, 3))
STRIDES = (4, 1, 1, 1, 1)
PADDINGS = (2, 2, 1, 1, 1)
POOLED_BEFORE = (False, True, True, False, False)
NORM_FLOOR = 1e-10


class Lpips(NamedTuple):
    """The weights of LPIPS, one entry per layer.

    Attributes:
      kernels: kernels of the convolutions, float32 of `KERNEL_SHAPES`.
      biases: biases of the convolutions, float32 [n].
      heads: weights of the channels in the distance, float32 [n], not negative.
    """

    kernels: tuple[jax.Array, ...]
    biases: tuple[jax.Array, ...]
    heads: tuple[jax.Array, ...]


def lpips_path() -> Path | None:
    """Returns the file of weights that the environment variable INRC_LPIPS names; None where it is unset or empty."""
    name = os.environ.get("INRC_LPIPS", "")
    return Path(name) if name else None


def load_lpips(path: Path) -> Lpips:
    """Reads the weights from an .npz file; the docstring of this module describes its content.

    Raises:
      ConfigError: The file cannot be read, or an array is missing, has another shape or has impossible values.
    """
    try:
        with path.open("rb") as stream:
            file = np.load(stream, allow_pickle=False)
            # A file of a single array without a name has none of the arrays below.
            arrays = {name: file[name] for name in file.files} if isinstance(file, np.lib.npyio.NpzFile) else {}
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise ConfigError(f"{path} cannot be read as an .npz file of LPIPS weights: {error}") from error
    layers = list(enumerate(KERNEL_SHAPES, start=1))
    return Lpips(
        kernels=tuple(_array(path, arrays, f"conv{layer}_kernel", shape) for layer, shape in layers),
        biases=tuple(_array(path, arrays, f"conv{layer}_bias", shape[:1]) for layer, shape in layers),
        heads=tuple(_array(path, arrays, f"head{layer}", shape[:1], least=0.0) for layer, shape in layers),
    )


def lpips(weights: Lpips, reference: npt.NDArray[Any], decoded: npt.NDArray[Any]) -> float:
    """Returns the distance of two pictures: 0 for identical pictures, seldom above 1.

    Args:
      weights: from `load_lpips`.
      reference: RGB pixels, uint8 [H, W, 3]; H, W >= 31.
      decoded: the same shape and range.

    Raises:
      ValueError: The arrays are not two integer pictures of one shape in 0..255.
      UnsupportedImageError: The pictures are too small or not RGB.
      ForkedProcessError: The process was forked from one that had used JAX.
    """
    check_pair(reference, decoded, 8)
    height, width, n_channels = reference.shape
    if n_channels != 3 or min(height, width) < MIN_SIDE:
        raise UnsupportedImageError(
            f"LPIPS of a picture of {width}x{height} pixels and {n_channels} channels is not defined; "
            f"it takes RGB with sides of at least {MIN_SIDE}"
        )
    forks.check()
    return float(_distance(weights, jnp.asarray(np.stack([reference, decoded]), jnp.float32)))


@jax.jit
def _distance(weights: Lpips, pair: jax.Array) -> jax.Array:
    """Equation 1 for levels [2, H, W, 3] in 0..255: squared differences, weighted, averaged over places, summed."""
    # One picture after the other: in a batch of two, sums of the same picture differ by rounding.
    features = jax.lax.map(lambda levels: _unit_features(weights, levels), pair)
    layers = zip(weights.heads, features, strict=True)
    terms = [jnp.sum(head * jnp.mean((unit[0] - unit[1]) ** 2, axis=(1, 2))) for head, unit in layers]
    return jnp.sum(jnp.stack(terms))


def _unit_features(weights: Lpips, levels: jax.Array) -> list[jax.Array]:
    """Returns the five activations [C, h, w] of levels [H, W, 3] in 0..255, of unit length over the channels."""
    shift, scale = (jnp.asarray(values, jnp.float32).reshape(1, 1, 3) for values in (SHIFT, SCALE))
    maps = jnp.moveaxis((levels / 127.5 - 1 - shift) / scale, -1, 0)[None]
    features = []
    for layer, (kernel, bias) in enumerate(zip(weights.kernels, weights.biases, strict=True)):
        if POOLED_BEFORE[layer]:
            maps = jax.lax.reduce_window(maps, -jnp.inf, jax.lax.max, (1, 1, 3, 3), (1, 1, 2, 2), "VALID")
        margin, stride = (PADDINGS[layer], PADDINGS[layer]), (STRIDES[layer], STRIDES[layer])
        # Full float32 products: the reduced precision of an accelerator would change the third digit.
        maps = jax.lax.conv_general_dilated(maps, kernel, stride, (margin, margin), precision=jax.lax.Precision.HIGHEST)
        maps = jax.nn.relu(maps + bias[None, :, None, None])
        norm = jnp.sqrt(jnp.sum(maps**2, axis=1, keepdims=True))
        features.append((maps / (norm + NORM_FLOOR))[0])
    return features


def _array(
    path: Path, arrays: dict[str, npt.NDArray[Any]], name: str, shape: tuple[int, ...], least: float = -np.inf
) -> jax.Array:
    """Returns one array of the file as float32.

    Raises:
      ConfigError: It is missing, has another shape, or has values that are not finite or below `least`.
    """
    if name not in arrays:
        raise ConfigError(f"{path} has no array {name}; it has {', '.join(sorted(arrays)) or 'none'}")
    array = arrays[name]
    if array.shape != shape or not np.issubdtype(array.dtype, np.floating):
        raise ConfigError(f"{path}: {name} is {array.dtype} {list(array.shape)}; it must be float {list(shape)}")
    if not np.all(np.isfinite(array)) or array.min() < least:
        raise ConfigError(
            f"{path}: {name} spans {array.min()}..{array.max()}; its values must be finite and >= {least}"
        )
    return jnp.asarray(array, jnp.float32)
