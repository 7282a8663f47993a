"""The `latent_grid` family: latents of many resolutions, their entropy model, and what makes pixels of them."""
