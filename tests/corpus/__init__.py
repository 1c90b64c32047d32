"""A recording of what the emulator says on the wire, and the comparison of two such recordings."""
