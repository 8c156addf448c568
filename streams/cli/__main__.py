"""`python -m streams.cli`, which is how `recompra up` starts its children."""

from streams.cli.main import main

main()
