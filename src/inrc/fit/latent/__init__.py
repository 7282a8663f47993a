"""Fitting latent grids: whole pictures, soft-rounded latents, networks that become quantised on the way."""
