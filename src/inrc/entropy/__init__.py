"""Integers to bytes and back: integer tables, adaptive coders of weights and latents, a differentiable rate model."""
