"""The `.inr` format: FORMAT.md is normative, these modules read and write it."""
