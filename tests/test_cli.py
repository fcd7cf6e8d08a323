"""The command line, as a user calls it."""

import subprocess
import sys
from pathlib import Path

import pytest

from probdl.cli import main

ROOT = Path(__file__).parents[1]
MODEL = '''
"""A coin.

More words.
"""
import numpy as np
import numpyro
import numpyro.distributions as dist
import probdl as pdl


def program(y):
    bias = numpyro.sample("bias", dist.Beta(1, 1))
    with numpyro.plate("toss", len(y)):
        numpyro.sample("y", dist.Bernoulli(bias), obs=y)


def model():
    return pdl.Model(program, np.array([0, 1, 1, 1]))


METHOD = pdl.NUTS(num_samples=60, num_warmup=60, num_chains=2)
'''


@pytest.fixture
def coin(tmp_path):
    path = tmp_path / "coin.py"
    path.write_text(MODEL)
    return path


def test_help_is_quick_and_loads_nothing_heavy():
    code = (
        "import sys\nfrom probdl.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print([m for m in ('jax', 'numpy', 'numpyro', 'matplotlib', 'networkx') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "run" in done.stdout
    assert done.stdout.strip().endswith("[]")


def test_graph(coin, tmp_path, capsys):
    assert main(["graph", str(coin), "-o", str(tmp_path / "graph.svg")]) == 0
    printed = capsys.readouterr().out
    assert "bias" in printed
    assert "toss=4" in printed
    assert (tmp_path / "graph.svg").read_text().startswith("<svg")


def test_models(coin, capsys):
    (coin.parent / "other.py").write_text("x = 1\n")
    assert main(["models", str(coin.parent)]) == 0
    assert capsys.readouterr().out.splitlines() == ["coin  A coin."]


@pytest.mark.filterwarnings("ignore::probdl.inference.status.InferenceWarning")
def test_run(coin, tmp_path, capsys):
    out = tmp_path / "out"
    words = ["run", str(coin), "--out", str(out), "--num-samples", "40", "--key", "3"]
    assert main(words) == 0
    printed = capsys.readouterr().out
    for part in ("bias", "NUTS(num_samples=40, num_warmup=60, num_chains=2) from key 3", "r_hat", "Written:"):
        assert part in printed
    assert sorted(p.name for p in out.iterdir()) == ["graph.svg", "posterior.png", "result.nc"]


BAD = {
    "no file": (["run", "nothing.py"], "got nothing.py, which does not exist"),
    "no folder": (["models", "nowhere"], "Expected a folder of models; got nowhere"),
    "no model": (["graph", "{empty}"], "Expected a function model() in"),
    "method": (["run", "{coin}", "--method", "NUT"], "got 'NUT'. Did you mean 'NUTS'?"),
    "suffix": (["graph", "{coin}", "-o", "graph.bmp"], "graph.bmp"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_words_are_answered_in_one_line(name, coin, capsys):
    words, message = BAD[name]
    empty = coin.parent / "empty.py"
    empty.write_text("")
    assert main([w.format(coin=coin, empty=empty) for w in words]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("probdl: ")
    assert error.count("\n") == 1


def test_the_package_runs_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "probdl", "--help"], capture_output=True, text=True, check=True
    )
    assert "COMMAND" in done.stdout
