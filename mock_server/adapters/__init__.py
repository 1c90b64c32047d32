"""The ports' bodies that touch the world: the clock, pictures, JSON text."""
