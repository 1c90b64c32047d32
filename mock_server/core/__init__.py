"""The domain without I/O: tasks as records with timelines, money, clocks, faults, and the ports to the outside."""
