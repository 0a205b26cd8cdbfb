"""`python -m pipeline`."""

import signal


def main() -> None:
    # Ctrl-C while there is nothing to let go of yet ends it without a word; who was started to ignore it does so still
    is_heard = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_heard:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from pipeline.cli.app import app

    if is_heard:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    app(prog_name="python -m pipeline")


main()
