"""Checks of servers and clients against the contracts. They know the emulator only from outside."""

if __name__ == "client_checks":
    raise ImportError("import swapmock.client_checks in place of client_checks")
