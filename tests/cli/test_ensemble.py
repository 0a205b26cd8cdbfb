"""Models of several experiments that decode together: what they become, and which are refused."""

from pathlib import Path

import pytest
import torch
from builders import TINY, build_tiny_model, dump_params
from typer.testing import CliRunner

from pipeline.cli.app import app
from pipeline.cli.ensemble import _check_bases, load_together
from pipeline.cli.loading import ModelFiles, load_params
from pipeline.errors import InputError
from pipeline.history.ensemble import Way
from pipeline.models.base import save_model
from pipeline.models.folders import compute_fingerprint
from pipeline.models.truncation import Truncation, save_truncation
from pipeline.paths import ADAPTER, BASE, EXTERNAL, PARAMS, PROCESSED, REFINED, TRUNCATION
from pipeline.tables import LABELLED, UNLABELLED, save_json, save_table


@pytest.fixture
def build(shipped, tokenizer, tmp_path, monkeypatch):
    """Writes an experiment's files below a root of its own: a base, and an adapter that adds little to it."""
    from peft import LoraConfig, get_peft_model

    monkeypatch.chdir(tmp_path)

    def build(name, seed, shift=0.0, **changes):
        root = Path(name)
        base = build_tiny_model("gpt2", len(tokenizer))
        with torch.no_grad():
            base.transformer.wte.weight.add_(shift)
        save_model(base, tokenizer, root / BASE)
        torch.manual_seed(seed)
        adapted = get_peft_model(base, LoraConfig(r=2, target_modules=["c_attn"], fan_in_fan_out=True))
        for parameter in adapted.parameters():
            if parameter.requires_grad:
                torch.nn.init.normal_(parameter)
        adapted.save_pretrained(root / ADAPTER)
        save_json(
            {"adapter": str(ADAPTER), "fingerprint": compute_fingerprint(root / ADAPTER)},
            root / REFINED[0] / "adapter.json",
        )
        save_truncation(Truncation("head"), root / TRUNCATION)
        dump_params(shipped, {**TINY, **changes}, root / PARAMS)
        return ModelFiles(load_params(root / PARAMS), 4, "auto", root)

    return build


def test_models_are_held_together_or_become_their_mean(build, five_rows):
    files, examples = {"one": build("one", 1), "two": build("two", 2)}, {"valid": five_rows}
    alone = [own.load_tuned()[0] for own in files.values()]
    decoder, builder = load_together(files, Way.probabilities, examples)
    assert (len(decoder.others), decoder.engine) == (1, "shared")
    assert builder.build_prompts(["글"])[0].input_ids == files["two"].load_tuned()[1].build_prompts(["글"])[0].input_ids
    soup, _ = load_together(files, Way.weights, examples)
    assert soup.others == ()
    weights = [one.model.transformer.h[0].attn.c_attn.weight for one in (*alone, soup)]
    torch.testing.assert_close(weights[2], (weights[0] + weights[1]) / 2)
    # candidates of one must never be taken for those of another
    assert len({one.fingerprint for one in (*alone, decoder, soup)}) == 4


@pytest.mark.parametrize("way", [Way.probabilities, Way.weights])
def test_models_decode_together_by_one_configuration(build, five_rows, monkeypatch, way):
    from pipeline.cli import ensemble
    from pipeline.params.grid import Configuration

    build("one", 1)
    build("two", 2)
    monkeypatch.setattr("pipeline.history.models.fetch_models", Path)
    chosen = Configuration("beam", {"max_new_tokens": 4, "num_beams": 2, "num_return_sequences": 2})
    monkeypatch.setattr(ensemble, "_choose_configuration", lambda *_: chosen)
    summaries = ensemble.decode_together(["one", "two"], way, {"valid": five_rows, "test": five_rows[::-1]})
    assert summaries["valid"]["id"].tolist() == five_rows["id"].tolist()
    assert summaries["test"]["id"].tolist() == five_rows["id"].tolist()[::-1]
    by_id = [dict(frame[["id", "summary"]].to_numpy()) for frame in summaries.values()]
    assert by_id[0] == by_id[1]


def test_models_that_read_other_prompts_or_stand_on_other_bases_are_refused(build, five_rows):
    files, examples = {"one": build("one", 1), "two": build("two", 2, shift=0.1)}, {"valid": five_rows}
    assert load_together(files, Way.probabilities, examples)[0].others
    with pytest.raises(InputError, match=r"two: was tuned from another base than one.*use --by probabilities"):
        load_together(files, Way.weights, examples)
    files["three"] = build("three", 3, **{"prompt.template": "{text} 줄이면: "})
    with pytest.raises(InputError, match="three: reads other tokens than one: another tokenizer or prompt"):
        load_together(files, Way.probabilities, examples)


def test_quantized_models_have_no_mean(build, five_rows):
    files = {"one": build("one", 1), "two": build("two", 2, **{"model.quantization": "8bit"})}
    with pytest.raises(InputError, match=r"two: model.quantization: 8bit keeps adapters apart.*--by probabilities"):
        _check_bases(files)


def test_folds_cannot_be_ranked(shipped, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    dump_params(shipped, {"preprocess.folds": 3}, PARAMS)
    result = CliRunner().invoke(app, ["folds", "--by", "ridge"], catch_exceptions=False)
    assert (result.exit_code, result.stderr) == (
        2,
        "folds: --by ridge: no document was summarized by all folds' models, to learn from\n",
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a/b", "--name: a/b: may have letters, digits, '_', '-' and '.', 80 at most"),
        ("lead-1", "--name: lead-1: the leaderboard has a row of that name"),
    ],
)
def test_name_that_no_leaderboard_takes_is_refused_before_anything_is_read(
    shipped, five_rows, tmp_path, monkeypatch, name, message
):
    monkeypatch.chdir(tmp_path)
    dump_params(shipped, {}, PARAMS)
    save_table(five_rows.assign(summaries=[["요약"]] * 5), PROCESSED / "valid.parquet", LABELLED)
    monkeypatch.setattr("pipeline.cli.ensemble.load_member", lambda name: pytest.fail("reads"))
    result = CliRunner().invoke(app, ["ensemble", "one", "two", "--name", name], catch_exceptions=False)
    assert (result.exit_code, result.stderr) == (2, f"{message}\n")


@pytest.mark.parametrize("by", ["consensus", "ridge", "probabilities", "weights"])
def test_experiments_of_other_documents_are_refused_before_anything_decodes(
    shipped, five_rows, tmp_path, monkeypatch, by
):
    from pipeline.cli import ensemble
    from pipeline.history.compare import Experiment
    from pipeline.history.ensemble import Member

    def load_member(name):
        valid = five_rows if name == "one" else five_rows[1:]
        return Member(Experiment(name, {}, "greedy", valid), valid, five_rows)

    monkeypatch.chdir(tmp_path)
    dump_params(shipped, {}, PARAMS)
    save_table(five_rows.assign(summaries=[["요약"]] * 5), PROCESSED / "valid.parquet", LABELLED)
    save_table(five_rows, PROCESSED / "test.parquet", UNLABELLED)
    monkeypatch.setattr(ensemble, "load_member", load_member)
    monkeypatch.setattr(ensemble, "decode_together", lambda *_: pytest.fail("decodes"))
    result = CliRunner().invoke(app, ["ensemble", "one", "two", "--by", by], catch_exceptions=False)
    assert (result.exit_code, result.stderr) == (
        2,
        f"ensemble: two summarized other validation documents: {five_rows['id'][0]!r} stands in only one\n",
    )
    assert not EXTERNAL.exists()
