"""`swapmock mcp`: the emulator as tools for coding agents, over the Model Context Protocol."""
