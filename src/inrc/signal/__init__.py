"""Pictures in and out: files, colour transforms and coordinates."""
