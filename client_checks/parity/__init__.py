"""Do two servers behave alike? The same flows on both, or on one and against a recording of the other."""
