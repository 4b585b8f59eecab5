"""Lets `python -m chdb_server` start the server."""

import sys

from chdb_server.main import main

sys.exit(main())
