from __future__ import annotations

import sys

from kefu.dev.run import main

sys.exit(main())
