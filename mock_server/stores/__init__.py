"""The implementations of the Store port. One test class runs over all of them."""
