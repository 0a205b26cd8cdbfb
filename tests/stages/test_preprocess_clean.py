"""preprocess: what cleaning may change of a competition, and what it may not."""

import unicodedata

import pandas as pd
import pytest
from builders import ROOT

from pipeline.competition.cleaning.texts import TEXT_RULES, clean_texts
from pipeline.competition.layouts.sources import build_file
from pipeline.stages.preprocess import list_rules, parse_competition, select_metrics

TRAIN = "id,text,summary\n" + "".join(f"t{i},본문 {i} 이다.,요약 {i}\n" for i in range(10))


@pytest.fixture
def parse(make_params):
    """Parses a competition whose training file is given as text, with some params changed."""

    def parse(train, **changes):
        contents = {"train": train, "test": "id,text\nx,시험\n", "sample_submission": "id,summary\nx,\n"}
        files = {role: [build_file(f"{role}.csv", content.encode())] for role, content in contents.items()}
        params = make_params(**changes)
        return parse_competition(files, params.data, params.preprocess, params.seed)

    return parse


def test_the_split_is_the_same_whatever_is_cleaned(parse):
    decomposed = unicodedata.normalize("NFD", TRAIN.replace("본문", "<b>본  문</b>"))
    every = dict.fromkeys((f"preprocess.clean.{name}" for name in ("html", "bylines", "contacts")), True)
    none = dict.fromkeys((f"preprocess.clean.{name}" for name in TEXT_RULES), False)
    cleaned, raw = parse(decomposed, **every).splits, parse(decomposed, **none).splits
    for name in ("train", "valid", "test"):
        assert cleaned[name]["id"].tolist() == raw[name]["id"].tolist()
    assert {*cleaned["valid"]["text"], *cleaned["train"]["text"]} == {f"본 문 {i} 이다." for i in range(10)}
    assert raw["train"]["text"].str.contains("<b>").all()
    # the references of validation stay as the organiser has them
    assert not any(unicodedata.is_normalized("NFC", many[0]) for many in cleaned["valid"]["summaries"])
    assert all(unicodedata.is_normalized("NFC", many[0]) for many in cleaned["train"]["summaries"])


def test_what_is_left_out_is_counted_and_told(parse):
    rows = "".join(f"e{i},본문 {i} 이다.,요약 {i}\n" for i in range(3))
    rules = {"preprocess.clean.empty_summaries": True, "preprocess.clean.exact_duplicates": True}
    competition = parse(TRAIN + rows + "bad,본문만,\n", **rules)
    counts = competition.cleaned.counts["rows"]["train"]
    # the copies of a validation document are there with it, and stay
    copies = 3 - int(competition.splits["valid"]["id"].str.startswith("e").sum())
    assert counts == {"empty_summaries": 1, "exact_duplicates": copies}
    assert len(competition.cleaned.removed) == 1 + copies
    rest = {"truncation": {}, "clean": competition.cleaned.counts}
    assert select_metrics(rest) == {"documents_cut": 0, "rows_removed": 1 + copies}


@pytest.mark.parametrize("file", ["train.csv", "test.csv"])
def test_shipped_rules_leave_the_embedded_competition_as_it_is(file, make_params):
    texts = pd.read_csv(ROOT / "data/sample" / file)
    rules = list_rules(make_params().preprocess.clean, is_summarized=True)
    assert rules == ["control_characters", "nfc", "whitespace"]
    for column in {"text", "summary"} & set(texts):
        assert clean_texts(list(texts[column]), rules).texts == list(texts[column])
