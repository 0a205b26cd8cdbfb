"""preprocess: a seeded, leak-free split, and what a participant should know about the data."""

import json

import pandas as pd
import pytest

from pipeline.competition.cleaning.tables import clean_splits
from pipeline.competition.layouts.sources import build_file
from pipeline.competition.splits import split_examples
from pipeline.errors import InputError
from pipeline.models.prompts import PromptBuilder
from pipeline.stages.preprocess import Competition, compute_details, parse_competition

TRAIN = "id,text,summary\n" + "".join(f"t{i},본문 {i} 이다.,요약 {i}\n" for i in range(10))
TEST = "id,text\nx,시험 본문 하나\ny,시험 본문 둘\n"
SAMPLE = "id,summary\nx,\ny,\n"
A = "서울시는 오늘 한강공원에서 시민들이 함께하는 가을 축제를 열었다고 밝혔다."
B = "부산항의 컨테이너 물동량이 지난해보다 크게 늘었다고 항만공사가 전했다."


@pytest.fixture
def parse(make_params):
    """Parses a competition given as text, with some params changed."""

    def parse(train=TRAIN, test=TEST, sample=SAMPLE, **changes):
        params = make_params(
            **{"data.train": "train.csv", "data.test": "test.csv", "data.sample_submission": "s.csv"} | changes
        )
        contents = {"train": ("train.csv", train), "test": ("test.csv", test), "sample_submission": ("s.csv", sample)}
        files = {role: [build_file(name, content.encode())] for role, (name, content) in contents.items()}
        return parse_competition(files, params.data, params.preprocess, params.seed)

    return parse


def split(examples, fraction=0.3, limit=None, seed=0):
    """Splits examples with a share of them held out."""
    return split_examples(examples, fraction, None, limit, seed)


def build_competition(train, valid, test):
    """What preprocess has of three frames."""
    splits = {"train": train, "valid": valid, "test": test}
    return Competition(splits, splits, clean_splits(splits, [], []), [])


def build_examples(texts):
    return pd.DataFrame(
        {"id": [f"a{i}" for i in range(len(texts))], "text": texts, "summaries": [["요약"]] * len(texts)}
    )


def test_split_is_disjoint_and_complete_and_keeps_the_order():
    examples = build_examples([f"본문 {i}" for i in range(30)])
    train, valid = split(examples)
    assert len(valid) == 9
    assert set(train["id"]) | set(valid["id"]) == set(examples["id"])
    assert set(train["id"]).isdisjoint(valid["id"])
    for side in (train, valid):
        assert side["id"].tolist() == sorted(side["id"], key=lambda name: int(name[1:]))
        assert side.index.tolist() == list(range(len(side)))


def test_split_depends_on_the_seed_and_on_nothing_else():
    examples = build_examples([f"본문 {i}" for i in range(30)])
    first, again, other = (split(examples, seed=seed)[1]["id"].tolist() for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_split_draws_the_same_documents_whatever_the_files_order():
    examples = build_examples([f"본문 {i}" for i in range(30)])
    assert set(split(examples)[1]["id"]) == set(split(examples.iloc[::-1])[1]["id"])


@pytest.mark.parametrize("seed", range(5))
def test_equal_texts_stay_on_one_side(seed):
    train, valid = split(build_examples([f"본문 {i % 6}" for i in range(30)]), 0.5, seed=seed)
    assert set(train["text"]).isdisjoint(valid["text"])
    assert len(train) == len(valid) == 15


@pytest.mark.parametrize("seed", range(5))
def test_near_copies_stay_on_one_side(seed):
    texts = [f"{text} {i}월 {i}일." for text in (A, B, A[::-1], B[::-1]) for i in range(5)]
    train, valid = split(build_examples(texts), 0.25, seed=seed)
    assert len(valid) == 5
    assert {text[:10] for text in train["text"]}.isdisjoint(text[:10] for text in valid["text"])


@pytest.mark.parametrize(("fraction", "held_out"), [(0.001, 1), (0.1, 1), (0.35, 4), (0.999, 9)])
def test_each_side_gets_at_least_one_document(fraction, held_out):
    train, valid = split(build_examples([f"본문 {i}" for i in range(10)]), fraction)
    assert (len(train), len(valid)) == (10 - held_out, held_out)


def test_limit_draws_that_many_rows_by_seed():
    examples = build_examples([f"본문 {i}" for i in range(30)])

    def draw(seed):
        return {name for side in split(examples, limit=10, seed=seed) for name in side["id"]}

    assert len(draw(1)) == 10
    assert draw(1) == draw(1) != draw(2)
    assert draw(1) != {f"a{i}" for i in range(10)}


def test_limit_above_the_number_of_rows_takes_all():
    examples = build_examples([f"본문 {i}" for i in range(10)])
    for limit in (10, 11, None):
        assert sum(map(len, split(examples, limit=limit))) == 10


@pytest.mark.parametrize(("texts", "limit"), [(["같다"] * 5, None), (["하나", "둘"], 1), (["하나"], None)])
def test_one_document_cannot_be_split(texts, limit):
    with pytest.raises(ValueError, match="at least two different documents"):
        split(build_examples(texts), limit=limit)


def test_competition_is_read_and_split(parse):
    competition = parse(**{"preprocess.valid_fraction": 0.2})
    splits = competition.splits
    assert {name: len(frame) for name, frame in splits.items()} == {"train": 8, "valid": 2, "test": 2}
    assert list(splits["test"].columns) == ["id", "text"]
    assert len(competition.cleaned.removed) == 0


def test_mistakes_of_all_three_files_are_reported_together(parse):
    with pytest.raises(InputError) as refusal:
        parse("id,text\na,b\n", "id,text\nx,\n", "id,wrong\nx,\n")
    assert [line.split(":")[0] for line in refusal.value.mistakes] == ["train.csv", "test.csv", "s.csv"]


def test_single_document_is_refused_by_file(parse):
    with pytest.raises(InputError, match=r"^train\.csv: a validation split needs at least two different documents"):
        parse("id,text,summary\na,본문,요약\n")


def test_sample_in_another_order_is_fine(parse):
    assert parse(sample="id,summary\ny,\nx,\n").splits["test"]["id"].tolist() == ["x", "y"]


@pytest.mark.parametrize(
    ("sample", "mistakes"),
    [
        ("id,summary\nx,\n", ["test.csv: id 'y' is not in s.csv"]),
        ("id,summary\nx,\ny,\nz,\nw,\n", ["s.csv: id 'z' (and 1 more) is not in test.csv"]),
        ("id,summary\nx,\nz,\n", ["s.csv: id 'z' is not in test.csv", "test.csv: id 'y' is not in s.csv"]),
    ],
)
def test_ids_missing_or_extra_in_the_sample_are_refused(parse, sample, mistakes):
    with pytest.raises(InputError) as refusal:
        parse(sample=sample)
    assert refusal.value.mistakes == mistakes


def test_rows_left_out_on_request_are_named(parse):
    competition = parse(TRAIN + "bad,본문만,\n", **{"preprocess.clean.empty_summaries": True})
    splits = competition.splits
    assert competition.cleaned.removed[["id", "rule"]].values.tolist() == [["bad", "empty_summaries"]]
    assert len(splits["train"]) + len(splits["valid"]) == 10


def test_one_file_may_be_both_train_and_test(parse):
    # a first try on public data: the test documents are those of the training file
    splits = parse(test=TRAIN, sample="id,summary\n" + "".join(f"t{i},\n" for i in range(10))).splits
    assert len(splits["test"]) == 10
    assert len(splits["train"]) + len(splits["valid"]) == 10


@pytest.fixture
def builder(tokenizer, make_params):
    """Prompts for a context of 64 tokens, 24 of them for the summary."""
    params = make_params(
        **{"prompt.max_summary_tokens": 24, "decode.max_new_tokens": 16, "prompt.template": "{text}\n"}
    )
    return PromptBuilder(tokenizer, params.prompt, "head", 64, False)


def test_metrics_say_what_a_participant_should_know(builder):
    train = build_examples(["1" * 30, "2" * 60, A]).assign(summaries=[["1" * 23], ["2" * 24], ["3", "44"]])
    test = build_examples([A, "4" * 10]).drop(columns="summaries")
    metrics = compute_details(build_competition(train, build_examples(["3" * 10]), test), builder, [])
    assert metrics["rows"] == {"train": 3, "valid": 1, "test": 2}
    assert (metrics["context_length"], set(metrics["truncation"])) == (64, {"train", "valid", "test"})
    # the newline takes one of the 40 tokens that the summary leaves
    assert metrics["truncation"]["valid"]["documents_cut"] == 0
    assert metrics["truncation"]["train"]["tokens_median"] >= 60
    assert metrics["truncation"]["train"]["documents_cut"] == 2
    # with end-of-text: 24, 25, 2 and 3 tokens
    assert metrics["summary"] == {"tokens_median": 24, "tokens_max": 25, "longer_than_max_summary_tokens": 1}
    assert metrics["overlap"]["test"]["exact_copies"] == 1
    assert metrics["overlap"]["valid"]["exact_copies"] == 0
    assert json.loads(json.dumps(metrics)) == metrics


def test_metrics_of_a_table_read_back_are_the_same(builder, five_rows, tmp_path):
    from pipeline.tables import LABELLED, load_table, save_table

    save_table(five_rows, tmp_path / "t.parquet", LABELLED)
    back = load_table(tmp_path / "t.parquet", LABELLED)
    tables = (build_competition(frame, frame, frame) for frame in (five_rows, back))
    first, second = (compute_details(table, builder, []) for table in tables)
    assert first == second


def test_summary_that_training_would_refuse_is_refused_now(builder):
    examples = build_examples([A, B])
    examples["summaries"] = [["요약"], ["7" * 64]]
    with pytest.raises(InputError, match="id 'a1': its summary of 65 tokens leaves no room"):
        builder.build_training_examples(examples["text"], [s[0] for s in examples["summaries"]], examples["id"])
    with pytest.raises(InputError, match="id 'a1': its summary of 65 tokens leaves no room"):
        compute_details(build_competition(examples, examples, examples), builder, [])


def test_extra_rows_are_mixed_into_train_alone_at_their_weight_and_never_copy_validation(make_params):
    def parse_with(weight, layout="auto"):
        extra = [
            {"path": "news.jsonl", "layout": layout, "weight": weight},
            {"path": "raw.csv", "layout": "csv", "weight": 0.5},
        ]
        params = make_params(**{"data.extra": extra})
        files = {"train": TRAIN, "test": TEST, "sample_submission": SAMPLE}
        files = {role: [build_file(f"{role}.csv", content.encode())] for role, content in files.items()}
        alone = parse_competition(files, make_params().data, params.preprocess, params.seed)
        held_out = alone.splits["valid"]["text"][0]
        rows = [{"id": f"n{i}", "text": f"뉴스 {i}번째 소식이 들어왔다.", "summary": f"소식 {i}"} for i in range(10)]
        rows.append({"id": "copy", "text": held_out, "summary": "새는 줄"})
        files["extra.0"] = [build_file("news.jsonl", "\n".join(json.dumps(row) for row in rows).encode())]
        files["extra.1"] = [
            build_file("raw.csv", ("id,text\nbare,\n" + "".join(f"r{i},날 글 {i}\n" for i in range(8))).encode())
        ]
        return parse_competition(files, params.data, params.preprocess, params.seed), held_out

    plain = parse_with(1e-9)[0].splits
    competition, held_out = parse_with(11 / 9)
    splits = competition.splits
    # validation and test are the competition's own
    assert all(splits[name].equals(plain[name]) for name in ("valid", "test"))
    own, mixed = splits["train"].iloc[: len(plain["train"])], splits["train"].iloc[len(plain["train"]) :]
    assert own.equals(plain["train"])
    assert sorted(mixed["id"]) == sorted(f"news.jsonl#n{i}" for i in range(10))
    assert held_out not in set(mixed["text"])
    assert competition.cleaned.removed[["id", "rule"]].values.tolist() == [
        ["raw.csv#bare", "empty_summaries"],
        ["news.jsonl#copy", "near_copies_of_held_out"],
    ]
    assert [source["without_text"] for source in competition.sources] == [0, 1]
    assert any("; 1 rows without text are left out, data/processed/removed.csv" in line for line in competition.lines)
    # what has no summaries is text for pretrain
    assert len(competition.texts["extra"]) == 10 + 4
    assert len(competition.texts["train"]) == len(own)
    assert [source["drawn"] for source in competition.sources] == [11, 4]
    assert "extra: 1 rows nearly copy validation and are left out" in competition.lines
    with pytest.raises(InputError, match=r"^news\.jsonl: "):
        parse_with(1.0, layout="nikl")
