"""Code to copy: a request as a curl command, and a part of a run as a test in Python or TypeScript."""
