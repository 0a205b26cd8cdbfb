"""The one exception that means "your input, not our bug"; the CLI prints it and exits with status 2."""


class InputError(Exception):
    """Something the participant can mend: a file, a row, a key. One line a mistake, all found at once.

    >>> str(InputError(["train.csv: no column 'id'", "test.csv: is empty"]))
    "train.csv: no column 'id'\\ntest.csv: is empty"
    """

    def __init__(self, mistakes: str | list[str]):
        self.mistakes = [mistakes] if isinstance(mistakes, str) else mistakes
        super().__init__("\n".join(self.mistakes))


def and_more(count: int, thing: str = "") -> str:
    """The tail of a message that names the first of several.

    >>> and_more(3, "row"), and_more(1), and_more(0)
    (' (and 3 more rows)', ' (and 1 more)', '')
    """
    things = thing and f" {thing}{'s' if count > 1 else ''}"
    return f" (and {count} more{things})" if count > 0 else ""
