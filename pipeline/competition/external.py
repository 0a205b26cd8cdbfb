"""Summaries made elsewhere: id, summary and, where validation and test share ids, the split that a summary is for."""

from typing import TYPE_CHECKING

from pipeline.competition.formats import Columns, normalise_text, parse_predictions
from pipeline.competition.records import is_records
from pipeline.competition.sheets import check_ids, decode_file, parse_sheet, require_columns
from pipeline.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

VALID, TEST = "valid", "test"
ADVICE = f"where validation and test share ids, a column split says which a summary is for: {VALID} or {TEST}"


def parse_external(content: bytes, source: str) -> "pd.DataFrame":
    """A file in whatever encoding it is: `id`, `summary` and `split`.

    `split` is `valid` or `test`, and an id may stand once in each; it is blank in a file that has no such column.

    Raises:
        InputError: for what is wrong with the file, by line.
    """
    import pandas as pd

    text = decode_file(content, source, None)
    if is_records(text):
        return parse_predictions(content, source, Columns("id", "id", "summary"), None).assign(split="")
    sheet = parse_sheet(text, source)
    is_split = "split" in sheet.header
    names = ["id", "summary", *(["split"] if is_split else [])]
    require_columns(sheet.header, names, source)
    frame = pd.DataFrame({name: [row[sheet.header.index(name)] for row in sheet.rows] for name in names})
    frame["summary"] = [normalise_text(summary) for summary in frame["summary"]]
    frame["split"] = frame["split"].str.strip().str.lower() if is_split else ""
    for name, line in zip(frame["split"], sheet.lines, strict=True):
        if is_split and name not in (VALID, TEST):
            raise InputError(f"{source}: line {line}: split is {name!r}, not {VALID} or {TEST}")
    for _, part in frame.groupby("split", sort=False):
        try:
            check_ids(list(part["id"]), [sheet.lines[i] for i in part.index], source)
        except InputError as error:
            is_told = is_split or part["id"].is_unique
            raise error if is_told else InputError(f"{error}; {ADVICE}") from error
    return frame
