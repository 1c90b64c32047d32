"""Reports of `swapmock conform`: terminal, JSON, JUnit, HTML, SARIF, GitHub summary."""
