"""``python -m featx``."""

from featx.cli.app import main

main(prog_name="featx")
