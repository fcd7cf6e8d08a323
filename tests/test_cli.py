"""The command line, as a user calls it."""

import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import pytest

import probdl as pdl
from probdl.cli import main
from probdl.cli.running import with_counts

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
PLAN = "Method: Exact()\n  bias  integrated by conjugacy  1 coordinate, 6 operations\n"


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


def test_run(coin, tmp_path, capsys):
    out = tmp_path / "out"
    words = ["run", str(coin), "--out", str(out), "--num-samples", "40", "--key", "3"]
    assert main(words) == 0
    printed = capsys.readouterr().out
    for part in ("bias", "NUTS(num_samples=40, num_warmup=60, num_chains=2) from key 3", "r_hat", "Written:"):
        assert part in printed
    assert sorted(p.name for p in out.iterdir()) == ["graph.svg", "posterior.png", "result.nc"]


@pytest.fixture
def planned(coin):
    coin.write_text(MODEL.partition("METHOD")[0])
    return coin


def test_plan(planned, capsys):
    assert main(["plan", str(planned)]) == 0
    assert capsys.readouterr().out == PLAN


def test_plan_of_a_file_that_has_a_method(coin, capsys):
    assert main(["plan", str(coin)]) == 0
    own = "NUTS(num_samples=60, num_warmup=60, num_chains=2)"
    told = f"{coin.name} has a METHOD of its own, which `probdl run` follows: {own}"
    assert capsys.readouterr().out == f"{PLAN}\n{told}\n"


def test_a_file_without_a_method_follows_the_plan(planned, tmp_path, capsys):
    out = tmp_path / "out"
    counts = ["--num-samples", "40", "--num-warmup", "30", "--num-chains", "2"]  # no warm-up is needed
    assert main(["run", str(planned), "--out", str(out), *counts]) == 0
    printed = capsys.readouterr().out
    for part in (PLAN, "Inferred with Exact(num_samples=40, num_chains=2) from key 0", "-2.996 nats"):
        assert part in printed  # log B(4, 2) / B(1, 1) = -log 20
    assert sorted(p.name for p in out.iterdir()) == ["graph.svg", "posterior.png", "result.nc"]


def test_a_method_that_is_named_goes_before_the_plan(planned, tmp_path, capsys):
    assert main(["run", str(planned), "--out", str(tmp_path / "out"), "--method", "Elimination"]) == 1
    printed = capsys.readouterr()
    assert "Method:" not in printed.out
    assert "site 'bias' is not summed out" in printed.err


COUNTS = Namespace(num_samples=7, num_warmup=5, num_chains=None)


@pytest.mark.parametrize(
    ("method", "counted"),
    [
        (pdl.NUTS(num_chains=3), pdl.NUTS(num_samples=7, num_warmup=5, num_chains=3)),
        (pdl.Exact(num_chains=3), pdl.Exact(num_samples=7, num_chains=3)),
        (
            pdl.Marginalized(pdl.HMC(), sites=("z",)),
            pdl.Marginalized(pdl.HMC(num_samples=7, num_warmup=5), sites=("z",)),
        ),
    ],
)
def test_counts_are_those_of_the_method_or_of_what_samples_the_rest(method, counted):
    assert with_counts(method, COUNTS) == counted


DISCRETE = '''
"""Two causes."""
import numpyro
import numpyro.distributions as dist
import probdl as pdl

METHOD = None  # the same as no such line


def program():
    rain = numpyro.sample("rain", dist.Bernoulli(0.2))
    sprinkler = numpyro.sample("sprinkler", dist.Bernoulli(0.1))
    with numpyro.plate("tile", 3):
        numpyro.sample("wet", dist.Bernoulli(0.1 + 0.4 * rain + 0.4 * sprinkler))


def model():
    return pdl.Model(program)
'''


@pytest.fixture
def causes(tmp_path):
    path = tmp_path / "causes.py"
    path.write_text(DISCRETE)
    return path


def test_a_model_that_nothing_infers_is_drawn(causes, tmp_path, capsys):
    causes.write_text(DISCRETE.replace("dist.Bernoulli(0.2)", "dist.Poisson(0.2)"))
    assert main(["run", str(causes), "--out", str(tmp_path / "out")]) == 1
    printed = capsys.readouterr()
    assert "○ rain" in printed.out
    assert "Nothing can infer this model." in printed.out
    assert "site 'rain' is discrete and cannot be summed out" in printed.err
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["graph.html", "graph.svg"]


ASKED = {
    "separated": (["dsep", "rain", "sprinkler"], "rain ⫫ sprinkler\nd-separated: every path is blocked."),
    "connected": (
        ["dsep", "rain", "sprinkler", "--given", "wet[1]"],
        "not (rain ⫫ sprinkler | wet[1])\nd-connected, for example along\nrain -> wet[1] <- sprinkler\n"
        "wet[1]: collider, open since it is given\nSeparated given nothing.",
    ),
    "two": (["dsep", "wet[0],wet[1]", "wet[2]", "--given", "rain", "sprinkler"], "d-separated"),
    "blanket": (
        ["blanket", "wet[0]"],
        "Markov blanket: rain, sprinkler\nparents: rain, sprinkler\nchildren: none",
    ),
    "independencies": (
        ["independencies"],
        "rain ⫫ sprinkler\nsprinkler ⫫ rain\nwet[0] ⫫ wet[1:] | rain, sprinkler\n",
    ),
    "minimal": (["independencies", "--kind", "minimal", "--most", "1"], "rain ⫫ sprinkler\n... and more"),
}


@pytest.mark.parametrize("name", ASKED)
def test_questions(name, causes, capsys):
    (command, *words), answer = ASKED[name]
    assert main([command, str(causes), *words]) == 0
    assert answer in capsys.readouterr().out


def test_questions_to_a_graph_in_a_file(tmp_path, capsys):
    path = tmp_path / "graph.txt"
    path.write_text("dag { a -> b -> c }")
    assert main(["dsep", str(path), "a", "c", "--given", "b"]) == 0
    assert "a ⫫ c | b\nd-separated" in capsys.readouterr().out


def test_explore(causes, tmp_path, capsys):
    page = tmp_path / "page.html"
    assert main(["explore", str(causes), "-o", str(page), "--source", "rain", "--given", "wet"]) == 0
    assert str(page) in capsys.readouterr().out
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


BAD = {
    "unknown node": (["dsep", "{coin}", "bias", "z"], "got 'z'. Known: bias, y"),
    "misspelt": (["blanket", "{coin}", "bais"], "Did you mean 'bias'?"),
    "outside": (["dsep", "{coin}", "y[0]", "y[4]"], "Expected an index from 0 to 3 along 'toss'"),
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
