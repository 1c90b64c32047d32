"""One folder a vendor, always the same rooms: handlers and wire."""
