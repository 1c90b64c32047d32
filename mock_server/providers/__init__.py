"""One folder for each vendor, with the same modules: handlers and wire."""
