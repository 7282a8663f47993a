"""`inrc info` and `inrc codecs`."""

import dataclasses
import json

from inrc import presets
from tests.golden.make import FOLDER

NETWORK_KEYS = {"widths", "encoding", "n_frequencies", "omega_0", "bias"}
INFO_KEYS = NETWORK_KEYS | {
    *("input", "n_bytes", "bpp", "width", "height", "channels", "bit_depth", "colour"),
    *("family", "init_id", "transposed"),
    *("n_weights", "bits_per_weight", "steps", "icc_profile_bytes"),
    *("exif_bytes", "xmp_bytes", "section_bytes"),
}


def test_info_agrees_with_the_encoder(inrc_command, encoded):
    done = inrc_command("info", encoded.path, "--json")
    assert done.returncode == 0, done.stderr
    values = json.loads(done.stdout)
    assert set(values) == INFO_KEYS
    for name in ("n_bytes", "bpp", "width", "height", "channels", "bit_depth", "n_weights", "bits_per_weight"):
        assert values[name] == encoded.stats[name], name
    assert (values["family"], values["colour"]) == ("siren", "ycbcr")
    assert (values["init_id"], values["transposed"]) == (None, False)
    assert len(values["steps"]) == len(values["widths"]) + 1

    table = inrc_command("info", encoded.path).stdout
    assert f"{values['n_bytes']:,} bytes" in table
    assert "96 x 64, RGB as YCBCR, 8 bits" in table
    assert f"{values['n_weights']:,} of {values['bits_per_weight']:.2f} bits each" in table


def test_info_of_latents(inrc_command):
    path = FOLDER / "codec-latent-grid.inr"
    values = json.loads(inrc_command("info", path, "--json").stdout)
    model = dataclasses.asdict(presets.LATENT_CODECS["latent-grid"].model)
    assert set(values) == (INFO_KEYS - NETWORK_KEYS) | set(model) | {"n_latents", "latent_bytes"}
    width = values["synthesis_width"]  # less than the preset's by the units that change no pixel
    assert 0 < width <= model["synthesis_width"]
    assert {name: values[name] for name in model} == {**model, "synthesis_width": width}
    assert (values["family"], values["colour"], values["transposed"]) == ("latent_grid", "rgb", False)
    # 48 x 32 and its halves, and the three coarsest sizes once more.
    assert values["n_latents"] == 1536 + 384 + 96 + 24 + 2 * (6 + 2 + 1)
    # The matrices and the latents share a stream, after a header of 13 bytes and before a checksum of 4.
    weight_bytes = values["n_weights"] * values["bits_per_weight"] / 8
    assert abs(weight_bytes + values["latent_bytes"] + 17 - values["n_bytes"]) < 2

    table = inrc_command("info", path).stdout
    assert f"latent_grid 7+3 grids, context 12+6, synthesis {width}\n" in table
    assert f"{values['n_latents']:,} in {values['latent_bytes']:,.0f} bytes" in table
    assert "sees the picture transposed" in inrc_command("info", FOLDER / "latent-portrait.inr").stdout


def test_codecs_lists_every_preset(inrc_command):
    done = inrc_command("codecs", "--json")
    assert done.returncode == 0, done.stderr
    values = json.loads(done.stdout)
    assert values["passes"] == {str(e): presets.passes_of_effort(e) for e in range(1, 10)}
    assert values["steps"] == {str(e): presets.steps_of_effort(e) for e in range(1, 10)}
    assert list(values["codecs"]) == list(presets.CODECS)
    for name, codec in presets.COORDINATE_CODECS.items():
        for network in values["codecs"][name]["networks"]:
            aim = presets.n_weights_for(network["bpp"], 768 * 512, codec.bits_per_weight)
            # The nearest size of a published ladder is taken as it is.
            assert abs(network["n_weights"] / aim - 1) < (0.55 if codec.ladder else 0.05)
            assert network["bpp"] == presets.bpp_of_quality(network["quality"])

    table = inrc_command("codecs").stdout
    for name, codec in presets.CODECS.items():
        assert name in table
        assert codec.summary in table
    for name in presets.LATENT_CODECS:
        codec = values["codecs"][name]
        for network in (codec, codec.get("large", codec)):
            assert f"{network['n_weights']:,}" in table
            assert network["network"].removeprefix("latent_grid ") in table
    # 4/3 latents per pixel through a context network of 336 products, 421 of the synthesis, 45 of the filters.
    assert round(values["codecs"]["cool-chic"]["macs_per_pixel"]) == 914
    for network in values["codecs"]["siren"]["networks"]:
        assert "-".join(map(str, network["widths"])) in table

    one = inrc_command("codecs", "coin").stdout
    assert one.startswith(f"coin: {presets.CODECS['coin'].summary}")
    assert "\n\nDupont et al." in one
    assert json.loads(inrc_command("codecs", "coin", "--json").stdout)["year"] == 2021
    assert inrc_command("codecs", "coyn").returncode == 2
