"""Compares how two servers behave: the same flows on both, or on one server and against a recording of the other."""
