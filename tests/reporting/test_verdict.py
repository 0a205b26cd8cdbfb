"""The verdict."""

from builders import build_results

from pipeline.reporting.verdict import compute_others, compute_verdict


def test_verdict_compares_with_the_best_baseline_and_the_best_other_row(make_params):
    results = build_results(details={"scores": {"cross_fitted": 0.85}})
    verdict = compute_verdict(results, make_params().score, 0)
    assert verdict.name == "greedy/no_repeat_ngram_size:0"
    assert [gain.over for gain in verdict.gains] == ["lead-1", "greedy/no_repeat_ngram_size:3"]
    assert all(gain.difference > 0 for gain in verdict.gains)
    assert verdict.documents == 6
    assert verdict.warning is None
    assert any("0.8500" in line for line in verdict.remarks)


def test_baseline_that_is_above_is_warned_of_and_can_be_what_was_chosen(make_params):
    results = build_results(selection={"name": "lead-1"})
    results.board.loc[2, ["score", "difference"]] = 0.99, 0.1
    board = results.board.sort_values("score", ascending=False, ignore_index=True)
    verdict = compute_verdict(build_results(selection={"name": "lead-1"}, board=board), make_params().score, 0)
    assert "lead-1 (0.9900) beats the best configuration" in verdict.warning
    assert [gain.over for gain in verdict.gains] == ["lead-3", "greedy/no_repeat_ngram_size:0"]


def test_what_people_wrote_is_no_row_to_submit(make_params):
    results = build_results()
    board = results.board.replace({"kind": {"baseline": "human"}}).assign(score=[0.5, 0.4, 0.9, 0.3])
    board = board.sort_values("score", ascending=False, ignore_index=True)
    assert compute_verdict(build_results(board=board), make_params().score, 0).warning is None


def test_others_are_whatever_is_not_ours_and_may_be_nobody(make_params):
    results = build_results()
    placed, _, _ = compute_others(results, make_params().score, 0)
    assert [gain.over for gain, _ in placed] == ["lead-1", "lead-3"]
    own = results.board["kind"] == "configuration"
    alone = build_results(board=results.board[own], scores=results.scores[results.scores["kind"] == "configuration"])
    assert compute_others(alone, make_params().score, 0) is None
