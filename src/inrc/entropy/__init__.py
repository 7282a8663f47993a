"""Integers to bytes and back: integer tables, their differentiable twin, the adaptive weight coder."""
