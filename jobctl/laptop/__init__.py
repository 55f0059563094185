"""EFFECT, on this side: the folders and git repositories that the user names, and what jobctl remembers between commands."""
