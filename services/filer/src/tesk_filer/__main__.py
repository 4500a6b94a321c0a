"""``python -m tesk_filer``."""

from tesk_filer.main import main

main()
