"""`python -m ugc_api` is `ugc-api`."""

from ugc_api.main import main

main()
