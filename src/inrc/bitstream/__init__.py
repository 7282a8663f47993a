"""Reads and writes the `.inr` format, of which FORMAT.md is the normative description."""
