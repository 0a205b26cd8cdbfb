"""score: the leaderboard, what wins, and what is refused."""

import pandas as pd
import pytest

from pipeline import score
from pipeline.errors import InputError

GREEDY, BEAM = "greedy", "beam/length_penalty:1.0"
GRID = {"greedy": {}, "beam": {"num_beams": 4, "length_penalty": [1.0]}}


@pytest.fixture
def params(make_params):
    """Two configurations, the untuned base, and ROUGE on whitespace."""
    return make_params(**{"decode.grid": GRID, "score.tokenizer": "whitespace", "score.resamples": 500})


@pytest.fixture
def examples():
    """Twelve documents of four unlike sentences; the reference is ten words of its own."""
    texts = [f"머리{i} 글. 둘째{i} 줄. 셋째{i} 줄. 꼬리{i} 글." for i in range(12)]
    references = [[" ".join(f"말{i}{letter}" for letter in "가나다라마바사아자차")] for i in range(12)]
    return pd.DataFrame({"id": [f"a{i}" for i in range(12)], "text": texts, "summaries": references})


@pytest.fixture
def predict_with(examples):
    """Candidates that hold the given number of the reference's ten words, by configuration and example."""

    def build(**words):
        rows = []
        for name, counts in words.items():
            counts = [counts] * len(examples) if isinstance(counts, int) else counts
            for example, count in zip(examples.itertuples(), counts, strict=True):
                text = " ".join(example.summaries[0].split()[:count])
                rows.append((example.id, {"beam": BEAM}.get(name, name), 0, text, count + 1, True))
        return pd.DataFrame(rows, columns=["id", "configuration", "candidate", "text", "tokens", "finished"])

    return build


@pytest.fixture
def rank(params, examples):
    """The leaderboard of candidates."""

    def rank(candidates, examples=examples, params=params):
        scored = score.compute_scores(score.collect_rows(candidates, examples), examples, params.score)
        return score.build_leaderboard(scored, score.get_all_configurations(params.decode), params.score, params.seed)

    return rank


def select(board, params, use="best"):
    name = score.select_row(board, use)
    kind = board.set_index("name").loc[name, "kind"]
    return score.build_selection(name, kind, score.get_all_configurations(params.decode))


def test_leaderboard_ranks_every_configuration_and_baseline_best_first(predict_with, rank):
    board = rank(predict_with(greedy=5, beam=8, untuned=2))
    assert board["name"].tolist()[:3] == [BEAM, GREEDY, "untuned"]
    assert set(board["name"]) == {BEAM, GREEDY, "untuned", "lead-1", "lead-3", "tail-1"}
    assert board["score"].is_monotonic_decreasing
    assert dict(zip(board["name"], board["kind"], strict=True))["untuned"] == "untuned"
    assert board["cost"].tolist()[:3] == [4, 1, 1]
    assert set(board.loc[board["kind"] == "baseline", "cost"]) == {0}


def test_score_is_the_weighted_mean_of_the_boards_rouge(predict_with, rank, make_params):
    weights = {"rouge1": 1.0, "rouge2": 0.0, "rougeL": 3.0}
    changed = make_params(**{"decode.grid": GRID, "score.weights": weights, "score.tokenizer": "whitespace"})
    row = rank(predict_with(greedy=5), params=changed).set_index("name").loc[GREEDY]
    # five of ten words: precision 1, recall 1/2; four of nine bigrams
    assert row["rouge1"] == row["rougeL"] == row["whitespace_rouge1"] == pytest.approx(2 / 3, abs=1e-6)
    assert row["rouge2"] == pytest.approx(8 / 13, abs=1e-6)
    assert row["score"] == pytest.approx((row["rouge1"] + 3 * row["rougeL"]) / 4, abs=1e-6)


def test_difference_is_to_the_best_configuration_and_has_an_interval(predict_with, rank):
    board = rank(predict_with(greedy=[4, 6] * 6, beam=8)).set_index("name")
    assert board.loc[BEAM, ["difference", "difference_low", "difference_high"]].tolist() == [0, 0, 0]
    greedy = board.loc[GREEDY]
    assert greedy["difference"] == pytest.approx(greedy["score"] - board.loc[BEAM, "score"], abs=2e-6)
    assert greedy["difference_low"] < greedy["difference"] < greedy["difference_high"] < 0


def test_best_mean_wins_when_the_difference_is_no_noise(predict_with, rank):
    assert score.select_row(rank(predict_with(greedy=6, beam=8)), "best") == BEAM


def test_tie_within_noise_goes_to_the_cheaper(predict_with, rank):
    board = rank(predict_with(greedy=[5, 7] * 6, beam=[7, 5] * 5 + [7, 6]))
    assert board["name"].iloc[0] == BEAM
    assert score.select_row(board, "best") == GREEDY


def test_best_of_equally_cheap_rivals_wins(predict_with, rank, make_params):
    changed = make_params(**{"decode.grid": {"first": {}, "second": {}}, "score.tokenizer": "whitespace"})
    board = rank(predict_with(first=[5, 7] * 6, second=[7, 5] * 5 + [7, 6]), params=changed)
    assert score.select_row(board, "best") == "second"


def test_equal_scores_stand_in_the_order_of_the_candidates(predict_with, rank, make_params):
    changed = make_params(**{"decode.grid": {"zeta": {}, "alpha": {}}, "score.tokenizer": "whitespace"})
    board = rank(predict_with(zeta=6, alpha=6), params=changed)
    assert board["name"].tolist()[:2] == ["zeta", "alpha"]
    assert score.select_row(board, "best") == "zeta"


def test_neither_baseline_nor_untuned_base_wins_by_itself(predict_with, rank, examples):
    examples["text"] = [row[0] for row in examples["summaries"]]
    board = rank(predict_with(greedy=5, untuned=9), examples)
    assert board["kind"].tolist() == ["baseline"] * 3 + ["untuned", "configuration"]
    assert score.select_row(board, "best") == GREEDY


@pytest.mark.parametrize("name", [GREEDY, BEAM, "lead-3", "untuned"])
def test_any_row_can_be_used_by_name(predict_with, rank, name):
    assert score.select_row(rank(predict_with(greedy=5, beam=8, untuned=1)), name) == name


def test_unknown_name_is_refused_with_the_rows_there_are(predict_with, rank):
    with pytest.raises(
        InputError, match=r"^params\.yaml: predict\.use: no row 'bean'; rows: best, .*greedy"
    ) as refusal:
        score.select_row(rank(predict_with(greedy=5, beam=8)), "bean")
    for name in (GREEDY, BEAM, "lead-1", "lead-3", "tail-1"):
        assert name in str(refusal.value)


def test_baseline_that_beats_every_configuration_is_said_in_one_line(predict_with, rank, examples):
    examples["text"] = [row[0] for row in examples["summaries"]]
    line = score.find_better_baseline(rank(predict_with(greedy=5, beam=3), examples))
    assert line == (
        "lead-1 (1.0000) beats the best configuration greedy (0.6496); to submit it: dvc exp run -S predict.use=lead-1"
    )


def test_nothing_is_said_when_a_configuration_stands_above_all_baselines(predict_with, rank):
    assert score.find_better_baseline(rank(predict_with(greedy=5))) is None


def test_baseline_that_only_equals_the_best_configuration_does_not_beat_it(predict_with, rank, examples):
    examples["text"] = [row[0] for row in examples["summaries"]]
    assert score.find_better_baseline(rank(predict_with(greedy=10), examples)) is None


def test_only_first_candidates_are_scored(predict_with, examples):
    candidates = predict_with(greedy=5)
    second = candidates.assign(candidate=1, text="다른 후보")
    rows = score.collect_rows(pd.concat([second, candidates]), examples)
    assert "다른 후보" not in set(rows["text"])
    assert len(rows) == 4 * len(examples)


def test_rows_are_aligned_by_id_whatever_the_candidates_order(predict_with, rank, examples):
    candidates = predict_with(greedy=[3] * 6 + [9] * 6)
    pd.testing.assert_frame_equal(rank(candidates.sample(frac=1, random_state=0)), rank(candidates))
    rows = score.collect_rows(candidates.iloc[::-1], examples)
    assert rows.loc[rows["name"] == GREEDY, "id"].tolist() == examples["id"].tolist()


@pytest.mark.parametrize("damage", ["missing", "other id", "twice"])
def test_candidates_of_another_validation_set_are_refused(predict_with, examples, damage):
    candidates = predict_with(greedy=5, beam=5)
    last = candidates.index[-1]
    if damage == "missing":
        candidates = candidates.drop(last)
    else:
        candidates.loc[last, "id"] = "z" if damage == "other id" else "a0"
    with pytest.raises(
        InputError, match=rf"^predictions/valid\.parquet: configuration '{BEAM}' .* run the decode stage again"
    ):
        score.collect_rows(candidates, examples)


def test_no_candidates_at_all_are_refused(predict_with, examples):
    with pytest.raises(InputError, match=r"^predictions/valid\.parquet: .*run the decode stage again"):
        score.collect_rows(predict_with(greedy=5).head(0), examples)


def test_selection_holds_the_settings_that_predict_needs(predict_with, rank, params):
    board = rank(predict_with(greedy=3, beam=8))
    settings = {"num_beams": 4, "length_penalty": 1.0, "max_new_tokens": params.decode.max_new_tokens}
    assert select(board, params) == {"name": BEAM, "kind": "configuration", "settings": settings}
    assert select(board, params, "lead-1") == {"name": "lead-1", "kind": "baseline", "settings": {}}


def test_untuned_base_is_selected_with_its_settings(predict_with, rank, params):
    settings = {"max_new_tokens": params.decode.max_new_tokens}
    board = rank(predict_with(greedy=3, untuned=2))
    assert select(board, params, "untuned") == {"name": "untuned", "kind": "untuned", "settings": settings}


def test_selection_does_not_change_when_only_scores_do(predict_with, rank, params):
    # or every retraining of a losing configuration would decode the test set again
    before, after = (rank(predict_with(greedy=3, beam=words)) for words in (8, 9))
    assert before["score"].tolist() != after["score"].tolist()
    assert select(before, params) == select(after, params)


def test_configuration_that_the_grid_does_not_have_is_no_selection_without_settings(predict_with, rank, params):
    # the grid was changed and score run by hand: predict would decode with transformers' defaults, 20 tokens
    board = rank(predict_with(greedy=3, gone=9))
    with pytest.raises(InputError, match=r"gone.* run the decode stage again"):
        select(board, params)


def test_metrics_name_the_selected_row_and_the_best_baseline(predict_with, rank, params, examples):
    examples.loc[:5, "text"] = [f"모르는 말. {row[0]}." for row in examples["summaries"][:6]]
    board = rank(predict_with(greedy=8, untuned=1), examples)
    metrics = score.build_metrics(board, GREEDY, params.score, 12)
    assert (metrics["selected_name"], metrics["baseline_name"], metrics["documents"]) == (GREEDY, "tail-1", 12)
    assert metrics["tokenizer"].startswith("whitespace (korouge-score ")
    assert metrics["selected"]["rouge1"] == round(8 / 9, 4)
    assert 0 < metrics["untuned"]["score"] < metrics["baseline"]["score"] < metrics["selected"]["score"]
    assert "untuned" not in score.build_metrics(rank(predict_with(greedy=8)), GREEDY, params.score, 12)


def test_length_and_unfinished_share_stand_beside_the_scores(predict_with, rank):
    candidates = predict_with(greedy=10)
    candidates.loc[:2, "finished"] = False
    row = rank(candidates).set_index("name").loc[GREEDY]
    assert (row["length_ratio"], row["finished"]) == (1, 0.75)


def test_untuned_base_is_a_configuration_only_when_it_is_decoded(make_params):
    with_it, without = (make_params(**{"decode.untuned": flag}).decode for flag in (True, False))
    assert score.get_all_configurations(with_it)[-1].name == "untuned"
    assert "untuned" not in [c.name for c in score.get_all_configurations(without)]


def test_same_seed_gives_the_same_leaderboard(predict_with, rank):
    candidates = predict_with(greedy=[3, 6] * 6, beam=[5, 8, 2] * 4)
    pd.testing.assert_frame_equal(rank(candidates), rank(candidates))
