"""`python -m ugc_cli`."""

from ugc_cli.app import main

main()
