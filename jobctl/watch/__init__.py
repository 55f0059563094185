"""The live view of runs in a terminal, drawn by Textual. Needs `api` only; `jobctl.cli.watch` opens it.

log_lines, words, curves   PURE: bytes, statuses and metrics in, what is shown out
feed                       takes what the watch tells in its threads, for the screen to draw
app, log_view, dialogs     the screen
"""
