"""`python -m ugc_etl`."""

from ugc_etl.main import main

main()
