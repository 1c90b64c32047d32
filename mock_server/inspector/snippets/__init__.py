"""What can be pasted elsewhere: a request as curl, and a part of a run as a test in Python or TypeScript."""
