"""What an adapter folder holds."""

import pytest

from pipeline.errors import InputError
from pipeline.models.adapter import load_method


def test_folder_without_adapter_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no adapter; run the train stage first"):
        load_method(tmp_path)
