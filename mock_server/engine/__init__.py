"""The runtime of tasks and callbacks: joins the ports, holds no state of its own."""
