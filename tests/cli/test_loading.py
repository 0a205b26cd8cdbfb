"""What commands read: summaries made elsewhere, whose ids may be those of two documents."""

from importlib.metadata import version
from types import SimpleNamespace

import pandas as pd
import pytest
import torch

from pipeline.cli.loading import build_decoder, load_externals
from pipeline.errors import InputError
from pipeline.models.base import BaseModel
from pipeline.paths import PROCESSED
from pipeline.tables import UNLABELLED, save_table


@pytest.fixture
def chat(tmp_path, monkeypatch):
    """Test documents 1 and 2, and a file of summaries to be written."""
    monkeypatch.chdir(tmp_path)
    save_table(pd.DataFrame({"id": ["1", "2"], "text": "본문"}), PROCESSED / "test.parquet", UNLABELLED)
    return tmp_path / "chat.csv"


def test_external_summary_of_a_shared_id_is_refused_until_its_split_is_told(chat):
    valid = pd.DataFrame({"id": ["2", "3"]})
    chat.write_text("id,summary\n1,하나\n2,둘\n3,셋\n")
    with pytest.raises(InputError, match=r"^chat\.csv: '2' is a validation and a test document; where validation and"):
        load_externals(["chat.csv"], valid)
    chat.write_text("id,summary,split\n1,하나,test\n2,시험,test\n2,둘,valid\n3,셋,valid\n")
    (external,) = load_externals(["chat.csv"], valid)
    assert external.pick_summaries(["2", "3"], "validation") == ["둘", "셋"]
    assert external.pick_summaries(["1", "2"], "test") == ["하나", "시험"]


def test_file_without_a_split_serves_both_where_no_id_is_shared(chat):
    chat.write_text("id,summary\n1,하나\n2,둘\n3,셋\n")
    (external,) = load_externals(["chat.csv"], pd.DataFrame({"id": ["3"]}))
    assert external.pick_summaries(["3"], "validation") == ["셋"]
    assert external.pick_summaries(["1", "2"], "test") == ["하나", "둘"]


@pytest.fixture
def get_fingerprint(make_params, monkeypatch):
    """What candidates of a bf16 model are remembered under."""
    model = SimpleNamespace(dtype=torch.bfloat16, device=torch.device("cpu"))
    monkeypatch.setattr("pipeline.models.loading.load_model", lambda *args: (model, None))

    def get(**changes):
        params = make_params(**changes)
        return build_decoder(params, BaseModel("base", None, "c0ffee"), None, None, "auto").fingerprint

    return get


def test_candidates_of_quantized_weights_are_remembered_apart(get_fingerprint):
    found = [get_fingerprint(**{"model.quantization": bits}) for bits in (None, "8bit", "4bit", None)]
    assert len(set(found)) == 3
    assert found[0] == found[3]


@pytest.mark.parametrize("package", ["torch", "transformers", "peft"])
def test_candidates_of_another_version_are_remembered_apart(get_fingerprint, package, monkeypatch):
    before = get_fingerprint()
    monkeypatch.setattr("importlib.metadata.version", lambda name: "0.0.1" if name == package else version(name))
    assert get_fingerprint() != before
