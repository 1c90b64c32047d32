"""The domain without I/O: tasks as facts with timelines, money, clocks, faults, and the ports to the outside."""
