"""What a base may read."""

import pandas as pd

from pipeline.competition.corpus import collect_texts


def test_texts_are_documents_and_summaries_each_alone_and_summaries_to_be_predicted_stay_out(five_rows):
    splits = {"train": five_rows, "valid": five_rows.head(2), "test": five_rows[["id", "text"]].tail(1)}
    splits["extra"] = pd.DataFrame({"id": ["x"], "text": ["다른 글."], "summaries": [["요약 하나", "요약 둘"]]})
    texts = collect_texts(splits, ["train"])
    assert list(texts["text"]) == [*five_rows["text"], *(many[0] for many in five_rows["summaries"])]
    assert list(texts["document"]) == [*range(5), *range(5)]
    # in one order, whatever the order of the names
    others = collect_texts(splits, ["extra", "test", "valid"])
    assert list(others["text"]) == [
        *five_rows["text"].head(2),
        five_rows["text"][4],
        "다른 글.",
        "요약 하나",
        "요약 둘",
    ]
    assert list(others["document"]) == [0, 1, 2, 3, 3, 3]


def test_split_that_is_not_there_has_no_text():
    assert len(collect_texts({}, ["extra"])) == 0
