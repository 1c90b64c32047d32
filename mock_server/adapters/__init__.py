"""The implementations of the ports that use the outside world: clock, JSON text, uploaded files, outgoing callbacks,
metrics, logs."""
