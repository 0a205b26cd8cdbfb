"""predict: test documents and what won in; one summary a document out. Decodes only what the winner needs: one
configuration, the pool of a consensus or of a ranker, or nothing for a baseline and for summaries made elsewhere."""

from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.decoding.decoder import Source
from pipeline.decoding.map_reduce import decode_by_parts
from pipeline.decoding.shards import decode_examples
from pipeline.params.grid import MAP_REDUCE, UNTUNED, Configuration
from pipeline.scoring.baselines import build_baseline
from pipeline.scoring.consensus import compute_utilities
from pipeline.scoring.pools import Pool, Utility, pick_candidate
from pipeline.scoring.ranking.ranker import Ranker
from pipeline.scoring.ranking.rows import apply_ranker
from pipeline.scoring.rouge.comparison import Rouge
from pipeline.scoring.rows import BASELINE, CONSENSUS, EXTERNAL, RANK, External
from pipeline.stages.rank import compute_likelihoods

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.decoding.decoder import Decoder
    from pipeline.models.prompts import PromptBuilder


class Predicted(NamedTuple):
    """`id` and `summary` in the order of the test documents, and all that was decoded to choose them from
    (`pipeline.tables.CANDIDATES`)."""

    predictions: "pd.DataFrame"
    candidates: "pd.DataFrame"


def needs_model(selection: dict[str, Any]) -> bool:
    """Whether what won has to be decoded."""
    return selection["kind"] not in (BASELINE, EXTERNAL)


def predict(test: "pd.DataFrame", selection: dict[str, Any], source: Source, external: External | None) -> Predicted:
    """Summaries by what won.

    Args:
        selection: predictions/selection.json.
        source: is asked for a model if what won needs one.
        external: the file that won, if one did.

    Raises:
        InputError: if the file lacks a test document, or a model cannot be loaded.
    """
    if selection["kind"] == BASELINE:
        return _keep_alone(predict_baseline(test, selection["name"]), selection["name"])
    if external is not None:
        return _keep_alone(predict_external(test, external), selection["name"])
    if selection["kind"] == RANK:
        return predict_ranked(test, selection, source)
    if selection["kind"] == UNTUNED:
        decoder, builder = source.load_base(), source.build_base_prompts(selection["shots"])
    else:
        decoder, builder = source.load_tuned()
    predict_selected = predict_consensus if selection["kind"] == CONSENSUS else predict_configuration
    return predict_selected(decoder, builder, test, selection)


def _keep_alone(predictions: "pd.DataFrame", name: str) -> Predicted:
    """Summaries that nothing was chosen from."""
    alone = predictions.rename(columns={"summary": "text"})
    return Predicted(predictions, alone.assign(configuration=name, candidate=0, tokens=0, finished=True))


def predict_baseline(test: "pd.DataFrame", name: str) -> "pd.DataFrame":
    """`id` and `summary` by a baseline, in the order of `test`."""
    return test[["id"]].assign(summary=[build_baseline(name, text) for text in test["text"]])


def predict_configuration(
    decoder: "Decoder", builder: "PromptBuilder", test: "pd.DataFrame", selection: dict[str, Any]
) -> Predicted:
    """Summaries by the first candidate of what was selected, map-reduce included."""
    configuration = Configuration(selection["name"], selection["settings"])
    if selection["kind"] == MAP_REDUCE:
        candidates, _ = decode_by_parts(decoder, builder, test, configuration)
    else:
        candidates, _ = decode_examples(decoder, builder, test, [configuration])
    first = candidates[candidates["candidate"] == 0].set_index("id")["text"]
    return Predicted(test[["id"]].assign(summary=first.loc[test["id"]].to_numpy()), candidates)


def predict_consensus(
    decoder: "Decoder", builder: "PromptBuilder", test: "pd.DataFrame", selection: dict[str, Any]
) -> Predicted:
    """Summaries by the consensus of the selected pool."""
    configurations = [Configuration(**configuration) for configuration in selection["configurations"]]
    pool = Pool(selection["name"], configurations, selection["weights"])
    candidates, _ = decode_examples(decoder, builder, test, configurations)
    rouge, summaries = Rouge(selection["tokenizer"]), {}
    rouge.add(candidates["text"])
    # in the order of the pool, by which ties between candidates are decided
    order = {configuration.name: place for place, configuration in enumerate(configurations)}
    ranked = candidates.assign(place=candidates["configuration"].map(order)).sort_values(["place", "candidate"])
    for name, group in ranked.groupby("id", sort=False):
        texts = group["text"].tolist()
        table = compute_utilities(texts, rouge, selection["metric_weights"])
        summaries[name] = texts[pick_candidate(table, group["configuration"].tolist(), pool)]
    return Predicted(test[["id"]].assign(summary=[summaries[name] for name in test["id"]]), candidates)


def predict_ranked(test: "pd.DataFrame", selection: dict[str, Any], source: Source) -> Predicted:
    """Summaries by what was learnt to choose among the pool's candidates."""
    configurations = [Configuration(**configuration) for configuration in selection["configurations"]]
    decoded, _ = decode_examples(*source.load_tuned(), test, configurations)
    likelihoods = compute_likelihoods(decoded, test, source)
    # nothing is drawn where nothing is learnt
    utility = Utility(Rouge(selection["tokenizer"]), selection["metric_weights"], configurations, seed=0)
    chosen = apply_ranker(Ranker(**selection["ranker"]), decoded, likelihoods, test, utility).set_index("id")["summary"]
    return Predicted(test[["id"]].assign(summary=chosen.loc[test["id"]].to_numpy()), decoded)


def predict_external(test: "pd.DataFrame", external: External) -> "pd.DataFrame":
    """`id` and `summary` by a file made elsewhere, in the order of `test`.

    Raises:
        InputError: if the file lacks a test document.
    """
    return test[["id"]].assign(summary=external.pick_summaries(test["id"], "test"))


def fill_empty(predictions: "pd.DataFrame", test: "pd.DataFrame", baseline: str) -> "pd.DataFrame":
    """The predictions, with a baseline's summary where the model wrote nothing."""
    spare = predict_baseline(test, baseline).set_index("id")["summary"]
    filled = [
        summary if summary.strip() else spare[name] for name, summary in predictions[["id", "summary"]].to_numpy()
    ]
    return predictions.assign(summary=filled)
