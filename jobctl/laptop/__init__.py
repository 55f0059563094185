"""EFFECT, on this side.

The folders and git repositories that the user names, and what jobctl remembers between commands.
"""
