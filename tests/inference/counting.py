"""How often XLA compiles."""

import contextlib

from jax import monitoring


class Count:
    """A number of compilations."""

    value = 0


@contextlib.contextmanager
def compilations():
    """Yield the number of compilations in the block, counted as it goes."""
    count = Count()

    def listen(event, *_, **__):
        if event == "/jax/core/compile/backend_compile_duration":
            count.value += 1

    monitoring.register_event_duration_secs_listener(listen)
    try:
        yield count
    finally:
        monitoring.unregister_event_duration_listener(listen)
