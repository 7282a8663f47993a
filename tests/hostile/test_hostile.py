"""Any bytes give a picture or a typed error, in bounded time and memory; see `tests.hostile.attack`."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import inrc
from inrc import shared_init
from inrc.bitstream import container
from inrc.bitstream.container import Container
from inrc.bitstream.header import Header
from inrc.codec import file as files
from inrc.codec.formats import reference_of
from inrc.codec.reference import Reference
from inrc.codec.weights import QuantisedWeights
from inrc.config import EncodingConfig, EncodingKind, LatentGridConfig, ModelConfig, ModelFamily
from inrc.entropy import coder, stream
from inrc.errors import FormatError, InitMismatchError, LimitExceededError
from inrc.signal.colour import ColourTransform
from tests.bitstream import latent_files
from tests.hostile import mutations
from tests.hostile.attack import MAX_SECONDS, Stopwatch, attack, attack_containers, peak_bytes, spend
from tests.hostile.mutations import LIMITS
from tests.shared_init.inits import random_init


def test_the_sound_files_are_sound():
    for data in mutations.sound():
        info = inrc.info(data, init=mutations.INIT, limits=LIMITS)
        assert info.n_bytes == len(data)
        sizes = mutations._section_sizes(data)
        assert mutations.mend(data, sizes) == data


def test_300_inputs_give_pictures_or_typed_errors():
    counts = attack(0, 300, render_every=3)
    assert {"parsed", "rendered", "CorruptFileError", "TruncatedFileError"} <= {outcome for _, outcome in counts}
    for kind in ("header flipped and mended", "flipped and mended", "random bytes after a header, mended"):
        assert counts[kind, "parsed"] + counts[kind, "rendered"] >= 5
    assert sum(n for (_, outcome), n in counts.items() if outcome == "rendered") >= 10


def test_damaged_shards_manifests_and_inits_are_read_or_typed_errors(tmp_path):
    counts = attack_containers(0, 150, tmp_path)
    kinds = {
        "shard": ("read", "CorruptFileError", "UnreadableImageError"),
        "manifest": ("read", "RecordError"),
        "init": ("InitMismatchError",),
    }
    for name, outcomes in kinds.items():
        found = {outcome for kind, outcome in counts if kind.startswith(name)}
        assert found.issuperset(outcomes), counts


@pytest.mark.slow
def test_10000_inputs_give_pictures_or_typed_errors():
    """One in three of the inputs that parse is rendered."""
    counts = attack(1, 10_000, render_every=3)
    assert counts.total() == 10_000
    # Inputs get past every check (checksums, fields of the header, limits, the stream), and raise every error.
    errors = {kind.__name__ for kind in FormatError.__subclasses__()} | {"InitMismatchError"}
    assert {outcome for _, outcome in counts} == {"parsed", "rendered"} | errors
    assert sum(n for (_, outcome), n in counts.items() if outcome == "rendered") >= 400


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_random_bytes_are_typed_errors(data):
    for candidate in (data, b"inr" + data, b"inr\x01" + data):
        assert spend(candidate, render=False)[0] not in ("parsed", "rendered")


def of_magnitude(header: Header, step_index: int, magnitude: int, reference: Reference | None = None) -> bytes:
    """A file whose integers all have one magnitude."""
    generator = np.random.default_rng(0)
    shapes = [shape for _, shape in files.layout_of(header)]
    integers = tuple(generator.choice([-magnitude, magnitude], shape).astype(np.int32) for shape in shapes)
    return files.pack(files.make(header, QuantisedWeights((step_index,) * len(shapes), integers, reference)))


@pytest.mark.parametrize(("step_index", "magnitude"), [(255, 1 << 20), (255, 3), (0, 1), (128, 1 << 20)])
def test_weights_of_every_size_give_pictures(step_index, magnitude):
    """Sines of 10^8 and products that overflow."""
    header = inrc.info(mutations.sound()[0], limits=LIMITS).header
    assert inrc.decode(of_magnitude(header, step_index, magnitude), limits=LIMITS).pixels.shape == (13, 19, 3)


@pytest.mark.parametrize(("step_index", "magnitude"), [(255, 1 << 20), (255, 3), (0, 1), (0, 1 << 20)])
def test_differences_of_every_size_give_pictures(step_index, magnitude):
    """Whatever the exponents of the prior: of steps of 2^-24 and of 2^8 all are at their bounds."""
    header = inrc.info(mutations.sound()[-1], init=mutations.INIT, limits=LIMITS).header
    assert header.transposed
    reference = reference_of(mutations.INIT, header.shape, header.channels)
    data = of_magnitude(header, step_index, magnitude, reference)
    assert inrc.decode(data, init=mutations.INIT, limits=LIMITS).pixels.shape == (16, 7, 1)


def endless(header: Header) -> bytes:
    """A file of few bytes with any number of latents: whatever their tables, they all decode to the lowest symbol."""
    weights = latent_files.random_contents(dataclasses.replace(header, width=1, height=1)).weights
    encoder = stream.new_encoder()
    coder.encode_weights(encoder, weights.step_deltas(), weights.integers, None)
    n_words, (lower, _) = encoder.pos()
    n_bytes = 4 * (n_words + 2)
    point = int.from_bytes(np.asarray(encoder.get_compressed()).astype(">u4").tobytes().ljust(n_bytes, b"\0"), "big")
    start = point - (point - lower) % (1 << 64)
    return container.pack(Container(header, start.to_bytes(n_bytes, "big"), {}))


def test_any_number_of_latents_stops_at_the_limits():
    """The largest number within limits is decoded in time; more are refused before anything is allocated."""
    data = endless(latent_files.header_of((200, 150)))
    watch = Stopwatch()
    latents = files.unpack(data, LIMITS).latents
    assert watch.seconds() < MAX_SECONDS
    assert latents[-1].min() < -10  # nobody wrote them
    large = latent_files.header_of((1 << 14, 1 << 14))
    assert len(endless(large)) < 600
    before, watch = peak_bytes(), Stopwatch()
    for limits, name in ((inrc.DecodeLimits(), "max_latents"), (LIMITS, "max_pixels")):
        with pytest.raises(LimitExceededError, match=name):
            inrc.info(endless(large), limits=limits)
    slow = LatentGridConfig(n_spatial=14, n_cross=32, n_cross_levels=6, context_layers=4)
    with pytest.raises(LimitExceededError, match="max_context_multiplications"):
        inrc.info(endless(latent_files.header_of((6000, 6000), model=slow)))
    with pytest.raises(LimitExceededError, match="wavefronts"):
        inrc.info(endless(latent_files.header_of((1, 1 << 22))))
    assert watch.seconds() < MAX_SECONDS
    assert peak_bytes() - before < 1 << 27


@pytest.mark.parametrize("everywhere", [False, True])
@pytest.mark.parametrize(("step_index", "magnitude"), [(255, 1 << 20), (192, 10), (0, 1 << 20)])
def test_networks_of_latents_of_every_size_give_pictures_or_are_refused(step_index, magnitude, everywhere):
    """Products that overflow give pictures; a network that predicts latents and may overflow is refused."""
    header = latent_files.header_of((13, 19))
    contents = latent_files.random_contents(header)
    weights = contents.weights
    generator = np.random.default_rng(0)
    integers, steps = list(weights.integers), list(weights.step_indices)
    for i, (name, shape) in enumerate(files.layout_of(header)):
        if everywhere or not name.startswith(("context", "cross")):
            integers[i] = generator.choice([-magnitude, magnitude], shape).astype(np.int32)
            steps[i] = step_index
    encoder = stream.new_encoder()
    large = QuantisedWeights(tuple(steps), tuple(integers))
    coder.encode_weights(encoder, large.step_deltas(), large.integers, None)
    data = container.pack(Container(header, stream.finish(encoder) + bytes(range(256)), {}))
    expected = {"CorruptFileError"} if everywhere and step_index else {"CorruptFileError", "rendered"}
    assert spend(data, render=True)[0] in expected
    if not everywhere:
        assert spend(files.pack(files.make(header, large, contents.latents)), render=True)[0] == "rendered"


def test_the_id_of_a_missing_init_costs_little(tmp_path, monkeypatch):
    """The inits of the searched folders are read once, however many files name an init that is not there."""
    monkeypatch.setenv(shared_init.PATH_VARIABLE, str(tmp_path))
    for seed in range(20):
        shared_init.save(random_init(seed=seed), tmp_path / f"{seed}.npz")
    header = Header(31, 15, 3, 8, ColourTransform.YCBCR, mutations.MODEL, bytes(8))
    data = container.pack(Container(header, b"", {}))
    with pytest.raises(InitMismatchError, match="0000000000000000"):
        inrc.info(data)
    watch = Stopwatch()
    for _ in range(20):
        with pytest.raises(InitMismatchError):
            inrc.info(data)
    assert watch.seconds() < MAX_SECONDS / 2


def test_the_largest_networks_of_the_limits_are_parsed_and_rendered_in_time():
    encoding = EncodingConfig(EncodingKind.GAUSSIAN, 20)
    seconds = []
    for width in (44, 45):  # two programs; the faster one is less disturbed by what else the machine does
        header = Header(125, 125, 4, 16, ColourTransform.YCBCR, ModelConfig(ModelFamily.SIREN, (width,) * 31, encoding))
        data = of_magnitude(header, 90, 2)
        watch = Stopwatch()
        assert inrc.info(data, limits=LIMITS).n_weights > 60_000
        assert watch.seconds() < MAX_SECONDS
        watch = Stopwatch()
        inrc.decode(data, limits=LIMITS)
        seconds.append(watch.seconds())
    assert min(seconds) < MAX_SECONDS
