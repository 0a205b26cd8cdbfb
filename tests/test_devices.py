"""What this machine is."""

from pipeline.devices import get_free_memory


def test_free_memory_is_known_on_a_cpu():
    assert get_free_memory("cpu") > 10**8
