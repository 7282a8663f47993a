"""Fitting a network to a signal."""
