"""Datasets of many pictures: sources, the pipeline that encodes them, manifests, sinks of files, and the loader."""
