"""One check a file: a generator from what was seen to what is wrong with it."""
