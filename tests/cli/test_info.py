"""`inrc info` and `inrc codecs`."""

import json

from inrc import presets

INFO_KEYS = {
    *("input", "n_bytes", "bpp", "width", "height", "channels", "bit_depth", "colour"),
    *("family", "widths", "encoding", "n_frequencies", "omega_0", "bias", "init_id", "transposed"),
    *("n_weights", "bits_per_weight", "steps", "icc_profile_bytes"),
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


def test_codecs_lists_every_preset(inrc_command):
    done = inrc_command("codecs", "--json")
    assert done.returncode == 0, done.stderr
    values = json.loads(done.stdout)
    assert values["passes"] == {str(e): presets.passes_of_effort(e) for e in range(1, 10)}
    assert values["steps"] == {str(e): presets.steps_of_effort(e) for e in range(1, 10)}
    assert list(values["codecs"]) == list(presets.CODECS)
    for name in presets.COORDINATE_CODECS:
        for network in values["codecs"][name]["networks"]:
            aim = presets.n_weights_for(network["bpp"], 768 * 512)
            assert abs(network["n_weights"] / aim - 1) < 0.05
            assert network["bpp"] == presets.bpp_of_quality(network["quality"])

    table = inrc_command("codecs").stdout
    for name, codec in presets.CODECS.items():
        assert name in table
        assert codec.summary in table
    for name in presets.LATENT_CODECS:
        codec = values["codecs"][name]
        assert f"{codec['n_weights']:,}" in table
        assert codec["network"].removeprefix("latent_grid ") in table
    # 4/3 latents per pixel through a context network of 336 products, 421 of the synthesis, 45 of the filters.
    assert round(values["codecs"]["cool-chic"]["macs_per_pixel"]) == 914
    for network in values["codecs"]["siren"]["networks"]:
        assert "-".join(map(str, network["widths"])) in table
