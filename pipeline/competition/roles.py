"""A competition's files by what they are for: train, test, the sample submission, and further data sets."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pipeline.competition.formats import parse_submission_format
from pipeline.competition.layouts.frames import read_frame
from pipeline.competition.layouts.reading import Reading
from pipeline.competition.layouts.sources import File
from pipeline.errors import InputError, and_more


def read_roles(
    files: Mapping[str, Sequence[File]], labelled: Reading, extra: Mapping[str, str], drop_invalid: bool
) -> dict[str, Any]:
    """`Documents` of each role, and the sample submission's form.

    Args:
        files: those of `train`, `test`, `sample_submission` (one) and of each further data set.
        labelled: how train is read; test without summaries.
        extra: the layout of each further data set, whose documents may lack summaries.
        drop_invalid: leave out training documents without text or summary instead of refusing them.

    Raises:
        InputError: with the mistakes of all roles.
    """
    (sample,) = files["sample_submission"]
    readers = {
        "train": lambda: read_frame(files["train"], labelled, "train", drop_invalid),
        "test": lambda: read_frame(files["test"], replace(labelled, is_labelled=False), "test"),
        "sample_submission": lambda: parse_submission_format(
            sample.read(), sample.name, labelled.columns, labelled.encoding
        ),
    }
    for role, layout in extra.items():
        reading = replace(labelled, layout=layout, is_optional=True)
        readers[role] = lambda role=role, reading=reading: read_frame(files[role], reading, role, drop_invalid=True)
    parsed: dict[str, Any] = {}
    mistakes = []
    for role, read in readers.items():
        try:
            parsed[role] = read()
        except InputError as error:
            mistakes += error.mistakes
    if mistakes:
        raise InputError(mistakes)
    return parsed


def check_ids_agree(test: list[str], test_file: str, sample: list[str], sample_file: str) -> None:
    """The sample submission asks for every test document and for nothing else; their orders may differ."""
    mistakes = []
    for ids, others, here, there in ((sample, test, sample_file, test_file), (test, sample, test_file, sample_file)):
        known = set(others)
        if missing := [name for name in ids if name not in known]:
            mistakes.append(f"{here}: id {missing[0]!r}{and_more(len(missing) - 1)} is not in {there}")
    if mistakes:
        raise InputError(mistakes)
