"""The decoding grid: families -> configurations. What cannot be decoded is in test_params.py."""

import pytest

from pipeline.params.grid import Configuration, build_configurations, find_grid_mistakes

GRID = {
    "greedy": {"no_repeat_ngram_size": [0, 3]},
    "beam": {"num_beams": 4, "length_penalty": [0.5, 1.0], "no_repeat_ngram_size": [0, 2, 3]},
    "plain": {},
    "nucleus": {"do_sample": True, "top_p": [0.9], "num_return_sequences": 4},
}


def names(grid):
    return [configuration.name for configuration in build_configurations(grid, 64)]


def test_families_stand_in_the_order_of_the_file_and_the_last_axis_turns_first():
    assert names(GRID) == [
        "greedy/no_repeat_ngram_size:0",
        "greedy/no_repeat_ngram_size:3",
        "beam/length_penalty:0.5/no_repeat_ngram_size:0",
        "beam/length_penalty:0.5/no_repeat_ngram_size:2",
        "beam/length_penalty:0.5/no_repeat_ngram_size:3",
        "beam/length_penalty:1.0/no_repeat_ngram_size:0",
        "beam/length_penalty:1.0/no_repeat_ngram_size:2",
        "beam/length_penalty:1.0/no_repeat_ngram_size:3",
        "plain",
        "nucleus/top_p:0.9",
    ]


def test_names_are_unique_and_none_changes_with_another_family_or_value():
    assert len(set(names(GRID))) == len(names(GRID))
    assert names({"greedy": GRID["greedy"]}) == names(GRID)[:2]
    wider = {**GRID, "greedy": {"no_repeat_ngram_size": [0, 2, 3]}}
    assert set(names(GRID)) < set(names(wider))


def test_settings_are_what_generate_is_called_with():
    first = build_configurations(GRID, 64)[2]
    assert first.settings == {"num_beams": 4, "length_penalty": 0.5, "no_repeat_ngram_size": 0, "max_new_tokens": 64}
    assert build_configurations({"plain": {}}, 32)[0].settings == {"max_new_tokens": 32}


def test_grid_itself_is_left_as_it_is():
    settings = {"num_beams": [1, 4]}
    build_configurations({"beam": settings}, 64)
    assert settings == {"num_beams": [1, 4]}


@pytest.mark.parametrize(
    ("settings", "cost"),
    [
        ({}, 1),
        ({"no_repeat_ngram_size": 3}, 1),
        ({"num_beams": 4}, 4),
        ({"num_beams": 4, "num_return_sequences": 2}, 4),
        ({"do_sample": True, "num_return_sequences": 8}, 8),
    ],
)
def test_cost_is_the_rows_decoded_for_a_document(settings, cost):
    assert Configuration("any", settings).cost == cost


def test_grid_that_can_be_decoded_has_no_mistakes():
    assert find_grid_mistakes(GRID, 64) == []


@pytest.mark.parametrize("name", ["best", "untuned", "lead-1", "lead-3", "tail-1"])
def test_family_named_like_another_row_of_the_leaderboard_is_refused(name):
    # without axes the family's name is the configuration's, and predict.use could mean either
    assert len(find_grid_mistakes({name: {"num_beams": 2}}, 64)) == 1


@pytest.mark.parametrize("value", [1, 0, 1.0])
def test_number_for_early_stopping_is_refused(value):
    assert len(find_grid_mistakes({"beam": {"num_beams": 2, "early_stopping": value}}, 64)) == 1


@pytest.mark.parametrize("value", [True, False, "never"])
def test_early_stopping_takes_what_generate_takes(value):
    from transformers import GenerationConfig

    assert find_grid_mistakes({"beam": {"num_beams": 2, "early_stopping": value}}, 64) == []
    assert GenerationConfig(num_beams=2, early_stopping=value).early_stopping == value


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("length_penalty", float("nan")),
        ("repetition_penalty", float("inf")),
        ("length_penalty", -(10**400)),
        ("repetition_penalty", 10**400),
    ],
)
def test_number_that_is_none_is_refused(key, value):
    assert len(find_grid_mistakes({"beam": {"num_beams": 2, key: value}}, 64)) == 1


def test_product_without_end_is_refused_before_it_is_built():
    axes = {key: [i / 100 for i in range(1, 101)] for key in ("temperature", "top_p", "min_p")}
    (line,) = find_grid_mistakes({"samples": {"do_sample": True, **axes}}, 64)
    assert line == "decode.grid.samples: its axes make 1,000,000 configurations, more than 10,000"
