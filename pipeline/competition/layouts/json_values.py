"""Values of JSON files of any size, one by one: the items of a list anywhere in a file, or one a line."""

import json
from collections.abc import Iterator
from typing import Any

from pipeline.competition.encodings import Utf8Stream, open_text
from pipeline.competition.layouts.documents import Place
from pipeline.competition.layouts.json_limits import LONGEST, Limited
from pipeline.competition.layouts.peek import Peek
from pipeline.competition.layouts.sources import File
from pipeline.competition.sheets import check_lines
from pipeline.errors import InputError


def read_items(file: File, peek: Peek, prefix: str) -> Iterator[tuple[Place, Any]]:
    """The items of a list, and the number of each.

    Args:
        prefix: as ijson has it: `item` of a list, `documents.item` of one under a key, "" for all of the file.

    Raises:
        InputError: where the file is no JSON, with the last record that was.
    """
    import ijson

    number = 0
    with Utf8Stream(file.open, peek.encoding) as stream:
        try:
            # the C library gives whole numbers as int, of any length, and others as Decimal
            for number, value in enumerate(ijson.items(Limited(stream, file.name), prefix), 1):
                yield Place(file.name, "record", number), value
        except ijson.JSONError as error:
            reason = " ".join(str(error).split("\n")[0].split())
            raise InputError(f"{file.name}: record {number + 1}: is no JSON: {reason}") from error


def read_lines(file: File, peek: Peek) -> Iterator[tuple[Place, Any]]:
    """The values of a file with one a line, and the number of each line; blank lines are passed over.

    Raises:
        InputError: by line, for what is no JSON.
    """
    with open_text(file.open, peek.encoding) as stream:
        for number, line in enumerate(check_lines(_split(stream), file.name), 1):
            if line.isspace():
                continue
            place = Place(file.name, "line", number)
            try:
                yield place, json.loads(line)
            except json.JSONDecodeError as error:
                raise InputError(f"{place}: is no JSON: {error.msg}") from error
            except ValueError as error:
                raise InputError(f"{place}: holds a number of more than {LONGEST:,} digits") from error
            except RecursionError as error:
                raise InputError(f"{place}: is nested too deeply") from error


def _split(stream: Iterator[str]) -> Iterator[str]:
    """Lines that end in a line feed; a carriage return alone, as JSON allows between values, ends none."""
    begun = ""
    for line in stream:
        begun += line
        if line.endswith("\n"):
            yield begun
            begun = ""
    if begun:
        yield begun
