"""``python -m meterbook.proof``. Copied alone, the folder runs as ``python -m proof`` or ``python proof`` too."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

if __package__:
    from .command import main
else:
    # A folder that is run has no name, and so no modules beside it: it gets them by its name in the folder above.
    folder = Path(__file__).resolve().parent
    sys.path[0] = str(folder.parent)
    main = importlib.import_module(f"{folder.name}.command").main

if __name__ == "__main__":
    sys.exit(main())
