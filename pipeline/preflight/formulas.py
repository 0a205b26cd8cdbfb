"""Cells that a spreadsheet would run ("CSV injection", OWASP): a submission is often looked at in one."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from pipeline.errors import and_more

if TYPE_CHECKING:
    import pandas as pd

# a minus begins many an honest list; what begins with one and is run has one of these behind it
BEGINNINGS = ("=", "+", "@", "\t=", "\r=")


def describe_formulas(splits: "Mapping[str, pd.DataFrame]") -> Iterator[str]:
    """A line for each split some of whose texts or summaries a spreadsheet would take for formulas.

    Args:
        splits: `id`, `text`, and `summaries` where there are some.
    """
    for split, frame in splits.items():
        found = [name for name, cells in _list_cells(frame) if any(cell.startswith(BEGINNINGS) for cell in cells)]
        if found:
            yield (
                f"{split}: a text of {found[0]!r} begins with =, + or @{and_more(len(found) - 1)}: a spreadsheet would "
                "run such a cell, so look at these files, and at submissions that copy them, in something else"
            )


def _list_cells(frame: "pd.DataFrame") -> Iterator[tuple[str, tuple[str, ...]]]:
    summaries = frame["summaries"] if "summaries" in frame else [()] * len(frame)
    for name, text, many in zip(frame["id"], frame["text"], summaries, strict=True):
        yield name, (text, *many)
