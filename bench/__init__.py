"""How fast the emulator is, beside its peers: `make bench`. Nothing here is installed with it."""
