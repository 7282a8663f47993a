"""FORMAT.md against the package and against a decoder that was written from it alone (`stranger.py`)."""

import hashlib
import re
from pathlib import Path

import numpy as np
import pytest

import inrc
from inrc.bitstream import container
from inrc.codec import pack
from inrc.entropy import tables
from inrc.models.build import layout
from inrc.quant import uniform
from inrc.signal.colour import ColourTransform
from tests.bitstream import stranger

DOCUMENT = (Path(inrc.__file__).parent / "bitstream" / "FORMAT.md").read_text(encoding="utf-8")
EXAMPLE = DOCUMENT.split("## 12. Example")[1]
DUMP, INTEGERS, SAMPLES = re.findall(r"```\n(.*?)\n```", EXAMPLE, re.DOTALL)
LIMITS = inrc.DecodeLimits()


def annotated() -> list[tuple[int, bytes, str]]:
    """(offset, bytes, note) of every line of the dump."""
    lines = []
    for line in DUMP.splitlines():
        offset, content, note = re.fullmatch(r"([0-9a-f]+)  ((?:[0-9a-f]{2} ?)+?) *(?:  (\S.*))?", line).groups()  # pyright: ignore[reportOptionalMemberAccess]
        lines.append((int(offset, 16), bytes.fromhex(content), note or ""))
    return lines


def notes() -> dict[str, str]:
    """{name: value} of all annotations; of repeated names the first."""
    found: dict[str, str] = {}
    for _, _, note in annotated():
        for name, value in re.findall(r"(\w+) = ((?:[^,])+)", note):
            found.setdefault(name, value.strip())
    return found


@pytest.fixture(scope="module")
def data() -> bytes:
    """The bytes of the dump."""
    return b"".join(content for _, content, _ in annotated())


def numbers(text: str) -> list[int]:
    return [int(word) for word in re.findall(r"-?\d+", text)]


def matrices() -> list[np.ndarray]:
    blocks = re.split(r"matrix \d+:\n", INTEGERS)[1:]
    return [np.array([numbers(row) for row in block.strip("\n").splitlines()]) for block in blocks]


def test_offsets_follow_each_other():
    position = 0
    for offset, content, _ in annotated():
        assert offset == position
        position += len(content)


@pytest.mark.parametrize("name", ["version", "channels", "bit_depth", "colour", "has_sections", "has_init", "width",
                                  "height", "family", "bias", "encoding", "n_layers", "n_frequencies"])  # fmt: skip
def test_every_header_field_is_annotated_with_its_value(data, name):
    assert int(notes()[name]) == stranger.read(data).fields[name]


def test_the_package_reads_the_annotated_header(data):
    header, said = container.unpack(data, LIMITS).header, notes()
    assert (header.width, header.height) == (int(said["width"]), int(said["height"]))
    assert (header.channels, header.bit_depth) == (int(said["channels"]), int(said["bit_depth"]))
    assert header.colour is ColourTransform(int(said["colour"]))
    assert header.model.family == int(said["family"])
    assert header.model.bias == bool(int(said["bias"]))
    assert header.model.widths == tuple(numbers(said["widths"]))
    assert header.model.encoding.kind == int(said["encoding"])
    assert header.model.encoding.n_frequencies == int(said["n_frequencies"])


def test_stream_checksum_and_section_are_annotated_with_their_values(data):
    parsed, said = container.unpack(data, LIMITS), notes()
    assert len(parsed.weights) == int(said["n_stream"])
    assert stranger.read(data).crc32 == int(said["checksum"], 16)
    assert dict(parsed.sections) == {int(said["tag"]): said["content"].strip('"').encode()}
    assert len(said["content"].strip('"')) == int(said["n_content"])


def test_the_stream_holds_the_printed_integers(data):
    header, weights, _ = pack.unpack(data, LIMITS)
    file = stranger.read(data)
    printed_steps = tuple(numbers(INTEGERS.splitlines()[0]))
    assert weights.step_indices == printed_steps == tuple(file.step_indices)
    printed = matrices()
    assert [m.shape for m in printed] == [s for _, s in layout(header.model, header.shape, header.channels)]
    for by_package, by_stranger, from_document in zip(weights.integers, file.matrices, printed, strict=True):
        np.testing.assert_array_equal(by_package, from_document)
        np.testing.assert_array_equal(by_stranger, from_document)


def test_the_picture_has_the_printed_samples(data):
    printed = np.array([numbers(row) for row in SAMPLES.splitlines()]).reshape(4, 6, 3)
    np.testing.assert_array_equal(stranger.pixels(stranger.read(data)), printed)
    np.testing.assert_allclose(inrc.decode(data).pixels, printed, atol=1)


def test_packing_the_example_again_gives_the_same_bytes(data):
    header, weights, _ = pack.unpack(data, LIMITS)
    sections = {int(notes()["tag"]): notes()["content"].strip('"').encode()}
    stream = container.unpack(pack.pack(header, weights), LIMITS).weights
    assert container.pack(container.Container(header, stream, sections)) == data


def test_thresholds_and_checks_of_the_tables_are_those_of_the_package():
    printed = numbers(re.search(r"below M:\n\n(.*?)\n\n", DOCUMENT, re.DOTALL)[1])  # pyright: ignore[reportOptionalSubscript]
    assert printed == stranger.thresholds()
    for index, threshold in enumerate(printed):
        assert tables.index_of_scale(threshold) == index
        assert tables.index_of_scale(threshold + 1) == index + 1
    largest = re.search(r"tables 0, 8, ..., 56 are ([\d, ]+)\.", DOCUMENT)
    assert largest is not None
    assert numbers(largest[1]) == [tables.max_magnitude(i) for i in range(0, 64, 8)]
    counts = re.search(r"Table 0 has the counts\s+([\d ]+), and 1", DOCUMENT)
    assert counts is not None
    assert [*numbers(counts[1]), 1] == tables.frequencies(0).tolist()


def test_the_printed_hash_is_that_of_all_tables():
    printed = re.search(r"`([0-9a-f]{64})`", DOCUMENT)
    assert printed is not None
    for counts in (tables.frequencies, stranger.frequencies):
        content = b"".join(np.asarray(counts(i), "<u4").tobytes() for i in range(64))
        assert hashlib.sha256(content).hexdigest() == printed[1]


def test_the_printed_step_fractions_are_the_ladder():
    text = re.search(r"powers of two times\n\n +(1, [^\n]+)\n", DOCUMENT)
    assert text is not None
    fractions = [float.fromhex(word.strip()) for word in text[1].split(",")]
    for index in range(uniform.N_STEPS):
        assert uniform.step_of_index(index) == fractions[index % 8] * 2.0 ** (index // 8 - 24) == stranger.step(index)


@pytest.mark.parametrize("transform", ColourTransform)
def test_the_stranger_inverts_the_packages_colour_transforms(transform):
    np.testing.assert_allclose(stranger.COLOUR[transform] @ transform.matrix, np.eye(3), atol=1e-15)
    np.testing.assert_allclose(stranger.COLOUR[transform], transform.inverse_matrix, atol=1e-15)
