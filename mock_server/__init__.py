"""swapmock: an offline emulator of face-swap cloud APIs."""

__version__ = "0.1.0"

__all__ = ["__version__"]
