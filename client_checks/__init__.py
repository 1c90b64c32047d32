"""Checks of servers and clients against the contracts; they know the emulator only from outside."""
