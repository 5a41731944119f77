"""`python -m chainverify`."""

from __future__ import annotations

import sys

from chainverify._entry import main

if __name__ == "__main__":
    sys.exit(main())
