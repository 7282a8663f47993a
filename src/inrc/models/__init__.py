"""Models: what turns a file's numbers into pixel values.

Coordinate networks (`build`, `siren`, `fourier`, `hash_grid`) map coordinates to values; there is one file per paper.
The family `latent_grid` maps a pyramid of latents to a picture. All functions are pure functions of configurations and
matrices.
"""
