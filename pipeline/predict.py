"""predict: test documents and what won in; one summary a document out. Decodes only what the winner needs."""

from typing import TYPE_CHECKING, Any

from pipeline.decode import decode
from pipeline.decoding.grid import Configuration
from pipeline.scoring.baselines import build_baseline

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.decoding.generate import Decoder
    from pipeline.prompts import PromptBuilder


def predict_baseline(test: "pd.DataFrame", name: str) -> "pd.DataFrame":
    """`id` and `summary` by a baseline, in the order of `test`."""
    return test[["id"]].assign(summary=[build_baseline(name, text) for text in test["text"]])


def predict(
    decoder: "Decoder", builder: "PromptBuilder", test: "pd.DataFrame", selection: dict[str, Any]
) -> "pd.DataFrame":
    """`id` and `summary` by the selected configuration's first candidate, in the order of `test`."""
    configuration = Configuration(selection["name"], selection["settings"])
    candidates, _ = decode(decoder, builder, test, [configuration])
    first = candidates[candidates["candidate"] == 0].set_index("id")["text"]
    return test[["id"]].assign(summary=first.loc[test["id"]].to_numpy())


def fill_empty(predictions: "pd.DataFrame", test: "pd.DataFrame", baseline: str) -> "pd.DataFrame":
    """The predictions, with a baseline's summary where the model wrote nothing."""
    spare = predict_baseline(test, baseline).set_index("id")["summary"]
    filled = [
        summary if summary.strip() else spare[name] for name, summary in predictions[["id", "summary"]].to_numpy()
    ]
    return predictions.assign(summary=filled)
