"""What a verdict looks like: terminal, JSON, JUnit, HTML, SARIF, GitHub summary."""
