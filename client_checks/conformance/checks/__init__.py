"""The checks, one in each file: a generator that looks at an answer and yields what is wrong with it."""
