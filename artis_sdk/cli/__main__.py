"""`python -m artis_sdk.cli` is `artis`."""

from artis_sdk.cli import main

main()
