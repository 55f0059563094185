"""`jobctl` and `python -m jobctl`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line. An interrupt is no traceback, while modules are still imported either."""
    try:
        from jobctl.cli import main as run

        run()
    except KeyboardInterrupt:
        sys.stderr.write("\ninterrupted\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
