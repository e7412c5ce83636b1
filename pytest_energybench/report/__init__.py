"""A run turned into HTML, Markdown, a terminal table and figures."""
