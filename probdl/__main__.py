"""`python -m probdl` is the command line."""

import sys

from probdl.cli import main

sys.exit(main())
