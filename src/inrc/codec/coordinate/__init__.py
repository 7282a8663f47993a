"""The family of coordinate networks in the codec: SIREN and Fourier networks from coordinates to values."""
