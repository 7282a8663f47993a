"""Networks from coordinates to values: pure init and apply, one file per paper."""
