"""`python -m chainverify`; and by its path, for configured hooks, which start it without looking at site-packages."""

from __future__ import annotations

import os
import sys

if not __package__:
    # started by its path: the package is not on the module path then
    sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # noqa: PTH100, PTH120 - no pathlib here

from chainverify._entry import hook, main

if __name__ == "__main__":
    sys.exit(hook(sys.argv[2], sys.argv[3:]) if len(sys.argv) > 2 and sys.argv[1] == "hook" else main())
