"""``python -m tesk_cli`` is ``tesk``."""

import sys

from tesk_cli.main import main

sys.exit(main())
