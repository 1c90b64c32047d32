"""Mutation testing of the pure core and the providers: `make mutants`, outside of the usual test run."""
