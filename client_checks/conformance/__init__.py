"""Checks whether a server, the emulator or the live service, obeys its contract."""
