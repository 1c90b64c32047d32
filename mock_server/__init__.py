"""The emulator. Its public names are in `swapmock`."""

if __name__ == "mock_server":
    raise ImportError("import swapmock in place of mock_server: from swapmock import Emulator")
