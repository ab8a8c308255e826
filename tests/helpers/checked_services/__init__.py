"""Small services whose tools ask for what a computed outcome easily gets wrong, by theme.

Each module has `make`, which makes the objects behind its tools, and `CALLS`: names and arguments.
"""
