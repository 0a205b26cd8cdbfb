"""What a killed run left is found, and what was cut short is not."""

from pipeline.training.checkpoints import find_last_checkpoint


def test_checkpoint_cut_short_is_removed_and_the_one_before_it_found(tmp_path):
    for number, state in ((3, "{}"), (20, "{}"), (100, '{"epo'), (101, None)):
        (tmp_path / f"checkpoint-{number}").mkdir()
        if state is not None:
            (tmp_path / f"checkpoint-{number}/trainer_state.json").write_text(state)
    assert find_last_checkpoint(tmp_path) == tmp_path / "checkpoint-20"
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint-3", "checkpoint-20"}
    assert find_last_checkpoint(tmp_path / "nowhere") is None
