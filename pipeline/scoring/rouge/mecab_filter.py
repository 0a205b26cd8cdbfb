"""MeCab as a filter for `pipeline.scoring.rouge.morphemes`: options as arguments, texts in by lines, its output out.

It imports nothing of the project, so that it starts in the time that it needs to load the dictionary.
"""

import sys

from _mecab import Tagger


def main() -> None:
    """Reads all of standard input."""
    parse = Tagger(sys.argv[1:]).parse
    texts = sys.stdin.buffer.read().decode().split("\n")
    sys.stdout.buffer.write("\n".join(map(parse, texts)).encode())


if __name__ == "__main__":
    main()
