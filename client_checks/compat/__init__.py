"""Compares two versions of a contract, and says for whom each change breaks something."""
