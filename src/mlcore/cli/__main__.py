"""`python -m mlcore.cli` is the command too."""

import sys

from .main import main

sys.exit(main())
