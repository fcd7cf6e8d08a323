"""A run on several devices, in its own process: -m tests.inference.spread_run CASE FOLDER [PORT PID]."""

import os
import sys
import time
import warnings
from pathlib import Path

ARGUMENTS = sys.argv[1:] if __name__ == "__main__" else ["", "."]
CASE, FOLDER = ARGUMENTS[0], Path(ARGUMENTS[1])
PORT, NUMBER = (int(number) for number in ARGUMENTS[2:]) if ARGUMENTS[2:] else (None, 0)
DEVICES = {"one": 1, "three": 3}.get(CASE, 4 if PORT is None else 2)
if __name__ == "__main__":
    count = f"--xla_force_host_platform_device_count={DEVICES}"
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {count}"

import jax  # noqa: E402
import numpy as np  # noqa: E402

import probdl as pdl  # noqa: E402
from probdl.inference import driver, keeping  # noqa: E402
from tests.inference.runs import KEY, with_errors  # noqa: E402
from tests.inference.spread_programs import METHOD, ROWS, regression  # noqa: E402

warnings.simplefilter("ignore")
HEARTBEAT = 10


def join():
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.distributed.initialize(
        f"localhost:{PORT}",
        2,
        NUMBER,
        initialization_timeout=120,
        heartbeat_timeout_seconds=HEARTBEAT,
        shutdown_timeout_seconds=HEARTBEAT,
    )


def meshes():
    yield "chain", jax.make_mesh((4,), ("chain",))
    yield "data", jax.make_mesh((4,), ("data",))
    yield "both", jax.make_mesh((2, 2), ("chain", "data"))


def kept(result, name):
    """Write draws and statistics to a file of NumPy."""
    groups = (result.data[group].to_dataset() for group in ("posterior", "sample_stats"))
    arrays = {str(k): v.to_numpy() for group in groups for k, v in group.data_vars.items()}
    np.savez(FOLDER / f"{name}.npz", **arrays)


def on_every_mesh():
    model = pdl.Model(regression, *ROWS)
    kept(pdl.infer(model, METHOD, key=KEY), "none")
    for name, mesh in meshes():
        kept(pdl.infer(model, METHOD, key=KEY, mesh=mesh), name)
    errors = pdl.Model(with_errors, np.linspace(-1, 2, 8))
    inner = pdl.NUTS(num_samples=5, num_warmup=0)
    marginal = pdl.Marginalized(inner, sites=("error",))
    kept(pdl.infer(errors, marginal, key=KEY), "marginal-none")
    mesh = jax.make_mesh((2, 2), ("chain", "data"))
    kept(pdl.infer(errors, marginal, key=KEY, mesh=mesh), "marginal-both")


def together():
    """Two processes: in memory and to a store, with a callback and a condition to stop."""
    join()
    model = pdl.Model(regression, *ROWS)
    mesh = jax.make_mesh((2, 2), ("chain", "data"))
    told = []
    kept(pdl.infer(model, METHOD, key=KEY, mesh=mesh, callback=told.append), f"memory-{NUMBER}")
    assert bool(told) == (NUMBER == 0)
    store = FOLDER / "run.zarr"
    kept(pdl.infer(model, METHOD, key=KEY, mesh=mesh, store=store), f"store-{NUMBER}")
    try:
        pdl.infer(model, METHOD, key=KEY, mesh=mesh, store=store)
    except (FileExistsError, RuntimeError) as error:
        print("refused:", error, flush=True)
    until = pdl.Until(min_ess=20, max_rhat=3.0)
    long = pdl.NUTS(num_samples=400, num_warmup=20)
    stopped = pdl.infer(model, long, key=KEY, mesh=mesh, until=until)
    print("stopped at", stopped.data["posterior"].sizes["draw"], flush=True)


def victim():
    """Two processes whose run is so long that one of them can be killed."""
    join()
    driver.SECONDS, keeping.SHARE = 0.05, 1.0
    model = pdl.Model(regression, *ROWS)
    method = pdl.NUTS(num_samples=100_000, num_warmup=20)
    mesh = jax.make_mesh((4,), ("chain",))
    began = time.time()
    try:
        pdl.infer(model, method, key=KEY, mesh=mesh, store=FOLDER / "run.zarr")
    except RuntimeError as error:
        print(f"after {time.time() - began:.0f} s: {error}", flush=True)
        raise


def go_on():
    """Alone, on other devices, from where the two have come to."""
    model = pdl.Model(regression, *ROWS)
    drawn = pdl.Result.load(FOLDER / "run.zarr").data["posterior"].sizes["draw"]
    method = pdl.NUTS(num_samples=drawn + 10, num_warmup=20)
    mesh = None if CASE == "one" else jax.make_mesh((2, 2), ("chain", "data"))
    result = pdl.infer(model, method, key=KEY, mesh=mesh, store=FOLDER / "run.zarr", resume=True)
    print("went on from", drawn, "to", result.data["posterior"].sizes["draw"], flush=True)


CASES = {"meshes": on_every_mesh, "together": together, "victim": victim, "one": go_on, "go-on": go_on}
if __name__ == "__main__":
    CASES[CASE]()
