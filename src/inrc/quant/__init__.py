"""Quantisation steps, differentiable stand-ins for rounding, and the search over steps."""
