"""The vendors: one folder for each, with the same modules."""
