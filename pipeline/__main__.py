"""`python -m pipeline`."""

from pipeline.cli.app import app

app(prog_name="python -m pipeline")
