"""Pictures and their files, colour transforms, and coordinates."""
