"""The only place where models, quantisers and coders meet."""
