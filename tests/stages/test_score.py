"""score: the leaderboard, what wins, and what is refused."""

import pandas as pd
import pytest

from pipeline.errors import InputError
from pipeline.scoring.choices import add_consensus
from pipeline.scoring.rouge.comparison import Rouge
from pipeline.scoring.rows import External, collect_rows, compute_scores
from pipeline.stages import score
from pipeline.stages.score import Measured

ROUGE = Rouge("whitespace")

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
        scored = compute_scores(collect_rows(candidates, examples), examples, params.score, ROUGE)
        entries = score.get_all_configurations(params.decode)
        return score.build_leaderboard(scored, entries, {}, params.score, params.seed)

    return rank


def select(board, params, use="best"):
    name = score.select_row(board, use, params.score.select)
    kind = board.set_index("name").loc[name, "kind"]
    return score.build_selection(name, kind, score.get_all_configurations(params.decode), params)


def test_some_documents_at_a_time_score_as_all_together(predict_with, examples, params, monkeypatch):
    rows = collect_rows(predict_with(greedy=[1, 2, 3, 4] * 3, beam=3), examples)
    expected = compute_scores(rows, examples, params.score, Rouge("whitespace"))
    monkeypatch.setattr("pipeline.scoring.rows._TOGETHER", 2)
    scored = compute_scores(rows, examples, params.score, Rouge("whitespace"))
    # tokens are numbers that each object gives anew
    pd.testing.assert_frame_equal(scored.drop(columns="tokens"), expected.drop(columns="tokens"))
    assert scored["tokens"].map(len).tolist() == expected["tokens"].map(len).tolist()


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
    assert score.select_row(rank(predict_with(greedy=6, beam=8)), "best", "cheapest") == BEAM


def test_tie_within_noise_goes_to_the_better_mean_unless_the_cheapest_is_asked_for(predict_with, rank):
    board = rank(predict_with(greedy=[5, 7] * 6, beam=[7, 5] * 5 + [7, 6]))
    assert board["name"].iloc[0] == BEAM
    assert score.select_row(board, "best", "expected") == BEAM
    assert score.select_row(board, "best", "cheapest") == GREEDY
    gain = board["expected"].iloc[0] - board["expected"].iloc[1]
    lines = {name: score.describe_choice(board, name) for name in (BEAM, GREEDY, "lead-1")}
    assert f"{BEAM} costs 4 rows a document instead of 1 for an expected {gain:.4f} over {GREEDY}" in lines[BEAM]
    assert f"{GREEDY} gives up an expected {gain:.4f} against {BEAM}, which costs 4 rows" in lines[GREEDY]
    assert lines["lead-1"] is None


def test_nothing_is_said_of_a_choice_that_is_none(predict_with, rank):
    assert score.describe_choice(rank(predict_with(greedy=8, beam=3)), GREEDY) is None
    # what noise does not tell apart, and costs as much
    board = rank(predict_with(greedy=[5, 7] * 6, beam=[7, 5] * 5 + [7, 6])).assign(cost=1)
    board["expected"] = board["name"].map({GREEDY: 0.6, BEAM: 0.5})
    assert {score.describe_choice(board, name) for name in (BEAM, GREEDY)} == {None}


def test_best_of_equally_cheap_rivals_wins(predict_with, rank, make_params):
    changed = make_params(**{"decode.grid": {"first": {}, "second": {}}, "score.tokenizer": "whitespace"})
    board = rank(predict_with(first=[5, 7] * 6, second=[7, 5] * 5 + [7, 6]), params=changed)
    assert score.select_row(board, "best", "expected") == "second"


def test_equal_scores_stand_in_the_order_of_the_candidates(predict_with, rank, make_params):
    changed = make_params(**{"decode.grid": {"zeta": {}, "alpha": {}}, "score.tokenizer": "whitespace"})
    board = rank(predict_with(zeta=6, alpha=6), params=changed)
    assert board["name"].tolist()[:2] == ["zeta", "alpha"]
    assert score.select_row(board, "best", "expected") == "zeta"


def test_neither_baseline_nor_untuned_base_wins_by_itself(predict_with, rank, examples):
    examples["text"] = [row[0] for row in examples["summaries"]]
    board = rank(predict_with(greedy=5, untuned=9), examples)
    assert board["kind"].tolist() == ["baseline"] * 3 + ["untuned", "configuration"]
    assert score.select_row(board, "best", "expected") == GREEDY


def test_untuned_base_is_compared_on_the_documents_that_it_has(predict_with, rank, examples):
    # the tuned rows find the first four documents easy, and the base saw nothing else
    candidates = predict_with(greedy=[9] * 4 + [3] * 8, untuned=8)
    few = candidates[(candidates["configuration"] == GREEDY) | candidates["id"].isin(["a0", "a1", "a2", "a3"])]
    board = rank(few).set_index("name")
    assert board["documents"].to_dict() == dict.fromkeys(board.index, 12) | {"untuned": 4}
    assert board.loc["untuned", "score"] > board.loc[GREEDY, "score"]
    gap = board.loc["untuned", "score"] - rank(predict_with(greedy=9)).set_index("name").loc[GREEDY, "score"]
    row = board.loc["untuned"]
    assert [row["difference"], row["difference_low"], row["difference_high"]] == pytest.approx([gap] * 3, abs=1e-6)
    # it stands where that puts it
    assert list(board.index)[:2] == [GREEDY, "untuned"]
    assert score.find_better_baseline(rank(few)) is None
    with pytest.raises(InputError, match="configuration 'greedy' has 11 predictions for 12 validation examples"):
        rank(candidates[1:])
    strange = few.assign(id=few["id"].mask((few["configuration"] == "untuned") & (few["id"] == "a3"), "other"))
    with pytest.raises(InputError, match="configuration 'untuned' has 4 predictions"):
        rank(strange)


def test_map_reduce_wins_where_it_is_best_and_costs_what_decides_a_tie(predict_with, rank, make_params):
    changes = {"decode.grid": GRID, "score.tokenizer": "whitespace", "decode.map_reduce": True}
    params = make_params(**changes)
    board = rank(predict_with(greedy=5, **{"map-reduce": 8}), params=params)
    assert board[["name", "kind"]].iloc[0].tolist() == ["map-reduce", "map-reduce"]
    settings = {"max_new_tokens": params.decode.max_new_tokens}
    chosen = {"name": "map-reduce", "kind": "map-reduce", "engine": "auto", "settings": settings}
    assert select(board, params) == chosen
    # where every document fits, the two are equal
    equal = rank(predict_with(greedy=8, **{"map-reduce": 8}), params=params)
    assert select(equal, params)["name"] == GREEDY
    assert select(equal, params, "map-reduce") == chosen


@pytest.mark.parametrize("name", [GREEDY, BEAM, "lead-3", "untuned"])
def test_any_row_can_be_used_by_name(predict_with, rank, name):
    assert score.select_row(rank(predict_with(greedy=5, beam=8, untuned=1)), name, "expected") == name


def test_unknown_name_is_refused_with_the_rows_there_are(predict_with, rank):
    with pytest.raises(
        InputError, match=r"^params\.yaml: predict\.use: no row 'bean'; rows: best, .*greedy"
    ) as refusal:
        score.select_row(rank(predict_with(greedy=5, beam=8)), "bean", "expected")
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
    rows = collect_rows(pd.concat([second, candidates]), examples)
    assert "다른 후보" not in set(rows["text"])
    assert len(rows) == 4 * len(examples)


def test_rows_are_aligned_by_id_whatever_the_candidates_order(predict_with, rank, examples):
    candidates = predict_with(greedy=[3] * 6 + [9] * 6)
    pd.testing.assert_frame_equal(rank(candidates.sample(frac=1, random_state=0)), rank(candidates))
    rows = collect_rows(candidates.iloc[::-1], examples)
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
        collect_rows(candidates, examples)


def test_no_candidates_at_all_are_refused(predict_with, examples):
    with pytest.raises(InputError, match=r"^predictions/valid\.parquet: .*run the decode stage again"):
        collect_rows(predict_with(greedy=5).head(0), examples)


def test_selection_holds_the_settings_that_predict_needs(predict_with, rank, params):
    board = rank(predict_with(greedy=3, beam=8))
    settings = {"num_beams": 4, "length_penalty": 1.0, "max_new_tokens": params.decode.max_new_tokens}
    assert select(board, params) == {"name": BEAM, "kind": "configuration", "engine": "auto", "settings": settings}
    assert select(board, params, "lead-1") == {"name": "lead-1", "kind": "baseline"}


def test_what_is_selected_is_decoded_again_by_the_engine_that_decoded_it(predict_with, rank, make_params):
    forced = make_params(**{"decode.grid": GRID, "decode.engine": "generate"})
    assert select(rank(predict_with(greedy=3, beam=8)), forced)["engine"] == "generate"


def test_untuned_base_is_selected_with_its_settings(predict_with, rank, params):
    settings = {"max_new_tokens": params.decode.max_new_tokens}
    board = rank(predict_with(greedy=3, untuned=2))
    assert select(board, params, "untuned") == {
        "name": "untuned", "kind": "untuned", "engine": "auto", "settings": settings, "shots": 0,
    }  # fmt: skip
    few = rank(pd.concat([predict_with(greedy=3), predict_with(**{"few-shot": 2})]))
    assert select(few, params, "few-shot") == {
        "name": "few-shot", "kind": "untuned", "engine": "auto", "settings": settings, "shots": params.decode.few_shot,
    }  # fmt: skip


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
    candidates = predict_with(greedy=8, untuned=1)
    scored = compute_scores(collect_rows(candidates, examples), examples, params.score, ROUGE)
    board = rank(candidates, examples)
    metrics = score.build_details(board, scored, GREEDY, params)
    assert (metrics["selected_name"], metrics["baseline_name"], metrics["documents"]) == (GREEDY, "tail-1", 12)
    assert metrics["tokenizer"].startswith("whitespace (korouge-score ")
    assert metrics["selected"]["rouge1"] == round(8 / 9, 4)
    assert 0 < metrics["untuned"]["score"] < metrics["baseline"]["score"] < metrics["selected"]["score"]
    assert (metrics["selected"]["rouge1_precision"], metrics["selected"]["rouge1_recall"]) == (1, 0.8)
    assert metrics["cross_fitted"] == metrics["selected"]["score"]
    halved = params.model_copy(update={"decode": params.decode.model_copy(update={"search": "halving"})})
    # the race saw every document, so none is left that had no say
    assert score.build_details(board, scored, GREEDY, halved) == {**metrics, "cross_fitted": None}
    shown = score.select_metrics(metrics)
    assert list(shown) == ["score", "low", "high", "rouge1", "rouge2", "rougeL", "selected", "baseline"]
    assert (shown["selected"], shown["baseline"]) == (score.abbreviate(GREEDY), metrics["baseline"]["score"])
    assert shown["low"] <= shown["score"] <= shown["high"]
    tuned = scored[scored["name"] != "untuned"]
    assert "untuned" not in score.build_details(rank(predict_with(greedy=8)), tuned, GREEDY, params)


def test_length_and_unfinished_share_stand_beside_the_scores(predict_with, rank):
    candidates = predict_with(greedy=10)
    candidates.loc[:2, "finished"] = False
    row = rank(candidates).set_index("name").loc[GREEDY]
    assert (row["length_ratio"], row["at_cap"]) == (1, 0.25)


def test_untuned_base_is_a_configuration_only_when_it_is_decoded(make_params):
    with_them, without = (
        make_params(**{"decode.untuned": flag, "decode.few_shot": shots}).decode
        for flag, shots in ((True, 3), (False, 0))
    )
    assert [c.name for c in score.get_all_configurations(with_them)][-2:] == ["untuned", "few-shot"]
    assert not {"untuned", "few-shot"} & {c.name for c in score.get_all_configurations(without)}


def test_same_seed_gives_the_same_leaderboard(predict_with, rank):
    candidates = predict_with(greedy=[3, 6] * 6, beam=[5, 8, 2] * 4)
    pd.testing.assert_frame_equal(rank(candidates), rank(candidates))


def test_repetition_and_copying_stand_beside_the_scores(predict_with, rank, examples):
    candidates = predict_with(greedy=0)
    candidates["text"] = [f"머리{i} 글. 글. 글. 글." for i in range(12)]
    row = rank(candidates).set_index("name").loc[GREEDY]
    # four bigrams, of which two are different, one of them the document's
    assert (row["rep2"], row["rep3"], row["copied"]) == (0.5, pytest.approx(1 / 3, abs=1e-6), 0.5)
    # 12 first words and one word that all share, of 60; and so for bigrams, of 48
    assert (row["distinct1"], row["distinct2"]) == (pytest.approx(13 / 60, abs=1e-6), pytest.approx(13 / 48, abs=1e-6))


def test_score_has_its_own_interval(predict_with, rank):
    row = rank(predict_with(greedy=[4, 8] * 6)).set_index("name").loc[GREEDY]
    assert row["score_low"] < row["score"] < row["score_high"]


def test_other_metrics_can_have_weight_or_stand_beside(predict_with, rank, make_params):
    changes = {"score.weights": {"rouge3": 1.0}, "score.extra_metrics": ["rougeS"], "score.tokenizer": "whitespace"}
    row = (
        rank(predict_with(greedy=5), params=make_params(**changes, **{"decode.grid": GRID}))
        .set_index("name")
        .loc[GREEDY]
    )
    assert row["score"] == row["rouge3"] == pytest.approx(2 * (3 / 8) / (11 / 8), abs=1e-6)
    assert row["rougeS"] == pytest.approx(2 * (10 / 45) / (55 / 45), abs=1e-6)


@pytest.fixture
def external(examples):
    """A file of summaries that are better than any candidate here."""
    summaries = {row.id: row.summaries[0] for row in examples.itertuples()}
    return External("chat", "data/external/chat.csv", "c0ffee", summaries)


def test_external_summaries_are_ranked_and_can_be_used_but_do_not_win(predict_with, external, examples, params):
    scored = compute_scores(collect_rows(predict_with(greedy=5), examples, [external]), examples, params.score, ROUGE)
    entries = [*score.get_all_configurations(params.decode), external]
    board = score.build_leaderboard(scored, entries, {}, params.score, params.seed)
    assert board.loc[0, ["name", "kind", "score"]].tolist() == ["chat", "external", 1]
    assert score.select_row(board, "best", "expected") == GREEDY
    assert "chat (1.0000) beats the best configuration greedy" in score.find_better_baseline(board)
    chosen = score.build_selection("chat", "external", entries, params)
    assert chosen == {"name": "chat", "kind": "external", "file": "data/external/chat.csv", "sha256": "c0ffee"}


def test_external_file_without_a_validation_document_is_refused(predict_with, external, examples):
    del external.summaries["a3"], external.summaries["a7"]
    with pytest.raises(InputError, match=r"chat\.csv: has no summary for validation document 'a3' \(and 1 more\)"):
        collect_rows(predict_with(greedy=5), examples, [external])


def test_external_file_named_as_another_row_is_refused(predict_with, examples):
    with pytest.raises(InputError, match=r"greedy\.csv: the leaderboard has a row 'greedy' already"):
        collect_rows(predict_with(greedy=5), examples, [External("greedy", "data/external/greedy.csv", "", {})])


@pytest.fixture
def three_way(predict_with):
    """Greedy knows four words, and of three samples two agree on eight."""
    samples = [predict_with(sample=words).assign(candidate=rank) for rank, words in enumerate((3, 8, 8))]
    return pd.concat([predict_with(greedy=4), *samples], ignore_index=True)


def build_board(candidates, examples, params, seconds=None):
    scored = compute_scores(collect_rows(candidates, examples), examples, params.score, ROUGE)
    scored, pools = add_consensus(scored, candidates, examples, params, ROUGE)
    entries = [*score.get_all_configurations(params.decode), *pools]
    return score.build_leaderboard(scored, entries, seconds or {}, params.score, params.seed), entries, scored


@pytest.fixture
def sampling_params(make_params):
    grid = {"greedy": {}, "sample": {"do_sample": True, "num_return_sequences": 3}}
    return make_params(**{"decode.grid": grid, "score.tokenizer": "whitespace", "score.resamples": 500})


def test_consensus_rows_are_ranked_with_what_their_pool_costs(three_way, examples, sampling_params):
    board, _, scored = build_board(three_way, examples, sampling_params, {"greedy": 2.0, "sample": 5.0})
    rows = board.set_index("name")
    # top-3 and samples+greedy have the members of all, and nothing decodes with beams
    assert {name for name in rows.index if name.startswith("consensus")} == {"consensus/all", "consensus/samples"}
    assert rows.loc["consensus/all", ["kind", "cost", "seconds"]].tolist() == ["consensus", 4, 7.0]
    assert set(scored.loc[scored["name"] == "consensus/all", "rouge1"].round(6)) == {round(16 / 18, 6)}
    assert rows.loc["greedy", "difference"] < 0


def test_consensus_that_is_better_beyond_noise_wins_with_its_whole_pool(three_way, examples, sampling_params):
    board, entries, _ = build_board(three_way, examples, sampling_params)
    name = score.select_row(board, "best", "expected")
    selection = score.build_selection(name, "consensus", entries, sampling_params)
    assert selection["name"] == "consensus/samples"
    settings = {"do_sample": True, "num_return_sequences": 3, "max_new_tokens": 64}
    assert selection["configurations"] == [{"name": "sample", "settings": settings}]
    weights = dict.fromkeys(("rouge1", "rouge2", "rougeL"), 1.0)
    assert (selection["tokenizer"], selection["metric_weights"], selection["weights"]) == ("whitespace", weights, {})


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("beam/length_penalty:0.5/no_repeat_ngram_size:3", "beam/lp:0.5/nrns:3"),
        ("consensus/top-3", "consensus/top-3"),
        ("lead-1", "lead-1"),
        ("my_family/top_p:0.9", "my_family/tp:0.9"),
    ],
)
def test_axes_are_initials_where_room_is_scarce(name, short):
    assert score.abbreviate(name) == short


def test_score_without_overlapping_rows_stands_beside_and_is_told_when_it_is_another(predict_with, examples, params):
    candidates = predict_with(greedy=[9] * 3 + [4] * 9, beam=3, untuned=1)
    known = {"bound": 0.7, "overlapping": {"a0": 0.9, "a1": 1.0, "a2": 0.8}}
    scored = score.score(candidates, examples, [], Measured({}, known), params)
    rest = scored.details["without_overlap"]
    assert list(rest) == ["bound", "documents", "score", "rouge1", "rouge2", "rougeL"]
    assert (rest["bound"], rest["documents"]) == (0.7, 9)
    # four of ten words: precision 1, recall 0.4
    assert rest["rouge1"] == round(0.8 / 1.4, 4) < scored.details["selected"]["rouge1"]
    line = f"overlap: 70% or more of 3 validation documents or of their summaries stands in train already; the other 9 score {rest['score']:.4f}"
    assert any(remark.startswith(line) for remark in scored.remarks)
    for overlapping, documents in (({}, 12), ({"a5": 0.7, "a1": 0.9}, 10)):
        even = score.score(
            predict_with(greedy=5, beam=3, untuned=1),
            examples,
            [],
            Measured({}, {**known, "overlapping": overlapping}),
            params,
        )
        assert even.details["without_overlap"]["documents"] == documents
        assert not any("overlap" in remark for remark in even.remarks)
    known["overlapping"] = dict.fromkeys(examples["id"], 1.0)
    none = score.score(candidates, examples, [], Measured({}, known), params)
    assert (none.details["without_overlap"]["documents"], none.details["without_overlap"]["score"]) == (0, None)
    assert any("none is left" in remark for remark in none.remarks)
