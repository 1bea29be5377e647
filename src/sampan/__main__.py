"""`python -m sampan` is the `sampan` command."""

from sampan.cli.main import main

main()
