"""The family of latent grids in the codec: a pyramid of latents, its context network and its synthesis."""
