"""Archives of shared inits: the viewer knows them by the same id, and damaged ones lead to a typed error."""

import io
import json
import re

import numpy as np

from inrc import shared_init
from tests.conftest import ROOT
from tests.golden.make import FOLDER
from tests.viewer import node

INIT = FOLDER / "init.npz"


def outcomes_of(inputs: list[bytes]) -> list[str]:
    return node.run("archives", inputs=[data.hex() for data in inputs])


def with_about(**changes: object) -> bytes:
    """The archive of the golden init with other members of `about`."""
    with np.load(INIT) as archive:
        arrays = dict(archive)
    about = json.loads(str(arrays["about"]))
    stream = io.BytesIO()
    np.savez(stream, allow_pickle=False, **(arrays | {"about": np.array(json.dumps(about | changes))}))
    return stream.getvalue()


def test_ids_are_those_of_the_package():
    paths = [INIT, *sorted((ROOT / "meta_init" / "exported").glob("*.npz"))]
    assert len(paths) == 10
    expected = [shared_init.load(path).id.hex() for path in paths]
    assert outcomes_of([path.read_bytes() for path in paths]) == expected
    packed = [shared_init.packed(shared_init.load(path)) for path in paths[:3]]
    assert outcomes_of(packed) == expected[:3]


def test_hints_for_encoders_are_no_part_of_the_id():
    init_id = shared_init.load(INIT).id.hex()
    assert outcomes_of([with_about(lambda_rd=1.0, codec="siren")]) == [init_id]
    assert outcomes_of([with_about(omega_0=29)]) != [init_id]


def test_damaged_archives():
    whole = INIT.read_bytes()
    cuts = [whole[:n] for n in range(0, len(whole), 300)]
    generator = np.random.default_rng(3)
    flipped = []
    for position in generator.integers(0, len(whole), 60):
        data = bytearray(whole)
        data[position] ^= 255
        flipped.append(bytes(data))
    hostile = [
        with_about(family="LATENT_GRID", n_cross_levels=10**9),
        with_about(family="HASH_GRID"),
        with_about(widths=[10**9] * 100),
        with_about(shape=[1, 1]),
    ]
    assert set(outcomes_of(cuts)) == {"init"}
    assert set(outcomes_of(hostile)) == {"init"}
    # Deflated bytes may inflate to other numbers, whose hash is then another: no file asks for such an init.
    found = outcomes_of(flipped)
    assert found.count("init") > 10
    assert all(re.fullmatch("init|[0-9a-f]{16}", outcome) for outcome in found)
