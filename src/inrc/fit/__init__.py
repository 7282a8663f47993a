"""Fitting models to signals: one loop for all families (`batch`, `loop`), and what a step is in each of them."""
