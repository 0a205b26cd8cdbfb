"""What shapes a tuned model, of a run's params."""

import pytest
from builders import build_recipe


@pytest.mark.parametrize(("own", "seed"), [(None, 42), (0, 0), (7, 7)])
def test_training_has_the_projects_seed_unless_it_has_its_own(make_params, own, seed):
    assert build_recipe(make_params(**{"seed": 42, "train.seed": own})).seed == seed
