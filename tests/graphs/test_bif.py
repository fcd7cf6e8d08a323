"""BIF: read, written, and read again; against pgmpy's reader and against the laws of probability."""

import gzip
import itertools
import string
from importlib.util import find_spec
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import probdl as pdl
from probdl.graphs.bif import read_bif, to_bif
from probdl.graphs.bif_parser import parse_bif
from probdl.graphs.source import text_of
from probdl.graphs.tabulate import tabulate
from probdl.program.bayesian_network import BayesianNetwork
from probdl.program.datatree import site_variables
from tests.marks import by_name

FOLDER = Path(find_spec("pgmpy").submodule_search_locations[0]) / "utils" / "example_models"
SIZES = {
    "alarm": (37, 46),
    "andes": (223, 338),
    "asia": (8, 8),
    "barley": (48, 84),
    "cancer": (5, 4),
    "child": (20, 25),
    "diabetes": (413, 602),
    "earthquake": (5, 4),
    "hailfinder": (56, 66),
    "hepar2": (70, 123),
    "insurance": (27, 52),
    "link": (724, 1125),
    "mildew": (35, 46),
    "munin": (1041, 1397),
    "munin1": (186, 273),
    "munin2": (1003, 1244),
    "munin3": (1041, 1306),
    "munin4": (1038, 1388),
    "pathfinder": (109, 195),
    "pigs": (441, 592),
    "sachs": (11, 17),
    "survey": (6, 6),
    "water": (32, 66),
    "win95pts": (76, 112),
}
SMALL = ("alarm", "asia", "cancer", "child", "earthquake", "insurance", "sachs", "survey")
DOG = """// The dog problem, in the style of JavaBayes
network "dog problem" { property "credal-set constant 2" ; } /* all of
it */
variable "light-on" { // 2 values
  type discrete[2] {  "true"  "false" };
  property "position = (218; 195)" ;
}
variable "bowel-problem" { type discrete[2] { "true" "false" }; }
variable "dog-out" { type discrete[2] { "true" "false" }; }
variable family_out { property a = b; type discrete [ 2 ] { true, false }; }
probability ( "light-on"  family_out ) { table 0.6 0.05 0.4 0.95 ; }
probability ( "bowel-problem" ) { table 0.01 0.99 ; property c ; }
probability ( "dog-out" | "bowel-problem", family_out ) { table 0.99 0.97 0.9 0.3 0.01 0.03 0.1 0.7 ; }
probability ( family_out ) { table 15e-2, .85; }
"""
HEAD = """network unknown {
}
variable a {
  type discrete [ 2 ] { yes, no };
}
variable b {
  type discrete [ 3 ] { <5, 5-12, 12+ };
}
"""
A = "probability ( a ) { table 0.5, 0.5; }\n"


def path_of(name):
    return FOLDER / f"{name}.bif.gz"


def edges_of(network):
    return {(parent, child) for child, parents in network.parents.items() for parent in parents}


def joint(network):
    """Return p of all states, by one product of arrays."""
    axis = {name: i for i, name in enumerate(network.variables)}
    operands = []
    for name, table in network.tables.items():
        operands += [table, [*(axis[p] for p in network.parents[name]), axis[name]]]
    return np.einsum(*operands, range(len(axis)))


words = st.text(string.ascii_letters + string.digits + '<>=+-._/ {}()[];,|:"é', min_size=1, max_size=6)
names = words.filter(lambda word: '"' not in word and word == word.strip())


@st.composite
def networks(draw):
    variables = draw(st.lists(names, min_size=1, max_size=5, unique=True))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    states, parents, tables = {}, {}, {}
    for i, name in enumerate(variables):
        states[name] = tuple(draw(st.lists(names, min_size=1, max_size=3, unique=True)))
        parents[name] = tuple(p for p in rng.permutation(variables[:i]).tolist() if rng.random() < 0.5)
        shape = [len(states[axis]) for axis in (*parents[name], name)]
        tables[name] = rng.dirichlet(np.full(shape[-1], 0.3), shape[:-1])
    shuffled = rng.permutation(variables).tolist()
    return BayesianNetwork(
        *({name: part[name] for name in shuffled} for part in (states, parents, tables)),
    )


@pytest.mark.slow
@settings(deadline=None, max_examples=80, derandomize=True)
@given(networks())
def test_what_is_written_is_read_again_to_the_last_bit(network):
    again = parse_bif(to_bif(pdl.Model(network)))
    assert again == network
    assert hash(again) == hash(network)
    assert (again.variables, again.states, again.parents) == (
        network.variables,
        network.states,
        network.parents,
    )
    for name, table in network.tables.items():
        np.testing.assert_array_equal(again.tables[name], table)


def test_all_files_are_known():
    assert {path.name.removesuffix(".bif.gz") for path in FOLDER.glob("*.bif.gz")} == set(SIZES)


@pytest.mark.parametrize(
    "name",
    by_name(
        sorted(SIZES), SMALL, whole=SIZES.keys() - {"munin", "munin2", "munin3", "munin4", "link", "pigs"}
    ),
)
def test_files_are_read_written_and_have_the_edges_that_they_say(name):
    model = read_bif(path_of(name))
    network = model.program
    assert (len(network.variables), len(edges_of(network))) == SIZES[name]
    assert parse_bif(to_bif(model)) == network
    graph = pdl.graph(model)
    assert set(graph.edges) == edges_of(network)
    assert list(graph) == list(network.variables)
    for variable, table in network.tables.items():
        np.testing.assert_allclose(table.sum(-1), 1, rtol=1e-12)
        assert graph.nodes[variable]["site"].support.upper_bound == table.shape[-1] - 1


@pytest.mark.few(6)
@pytest.mark.slow
@pytest.mark.parametrize("name", [*SMALL, "hailfinder", "hepar2", "water", "win95pts"])
def test_tables_are_those_of_pgmpy(name):
    from pgmpy.readwrite import BIFReader

    with gzip.open(path_of(name), "rt") as file:
        reference = BIFReader(string=file.read())
    network = read_bif(path_of(name)).program
    assert set(network.variables) == set(reference.variable_names)
    for variable, table in network.tables.items():
        assert network.states[variable] == tuple(reference.variable_states[variable])
        assert network.parents[variable] == tuple(reference.variable_parents[variable])
        expected = reference.variable_cpds[variable].T.reshape(table.shape)
        np.testing.assert_allclose(table, expected, atol=1e-6)


def test_values_after_table_are_in_the_order_of_the_format():
    network = parse_bif(DOG)
    assert network.variables == ("bowel-problem", "family_out", "light-on", "dog-out")
    assert network.parents["dog-out"] == ("bowel-problem", "family_out")
    assert network.tables["light-on"].tolist() == [[0.6, 0.4], [0.05, 0.95]]
    assert network.tables["dog-out"].tolist() == [[[0.99, 0.01], [0.97, 0.03]], [[0.9, 0.1], [0.3, 0.7]]]
    assert network.tables["family_out"].tolist() == [0.15, 0.85]


def test_rows_may_come_in_any_order_and_a_default_fills_the_others():
    rows = "default 0.2, 0.3, 0.5; (no) 0.1, 0.2, 0.7; property x;"
    network = parse_bif(f"{HEAD}{A}probability ( b | a ) {{ {rows} }}")
    assert network.tables["b"].tolist() == [[0.2, 0.3, 0.5], [0.1, 0.2, 0.7]]
    assert network.states["b"] == ("<5", "5-12", "12+")


def test_rows_are_normalised_within_rounding_and_left_alone_where_they_are_exact():
    thirds = parse_bif(f"{HEAD}{A}probability ( b ) {{ table 0.333, 0.333, 0.333; }}")
    np.testing.assert_allclose(thirds.tables["b"], np.full(3, 1 / 3), rtol=1e-15)
    tenths = parse_bif(f"{HEAD}{A}probability ( b ) {{ table 0.7, 0.2, 0.1; }}")
    assert tenths.tables["b"].tolist() == [0.7, 0.2, 0.1]


B = "probability ( b | a ) {{\n{}\n}}\n"
ERRORS = {
    "comment": ("/* one\ntwo */ // three\nvariable a { }", "Expected 'network' on line 3"),
    "no network": ("variable a { }", "Expected 'network' on line 1; got 'variable'"),
    "empty": ("network x { }", "Expected variables on line 1; got none"),
    "block": (
        f"{HEAD}{A}function f {{ }}",
        "Expected 'variable' or 'probability' on line 10; got 'function'",
    ),
    "end": (f"{HEAD}probability ( a ) {{", "Expected .* on line 9; got the end of the text"),
    "kind": (HEAD.replace("discrete", "continuous"), "Expected 'discrete' on line 4; got 'continuous'"),
    "count": (HEAD.replace("[ 3 ]", "[ 4 ]"), r"as many states of 'b' as its type says, 4 on line 6; got 3"),
    "same states": (HEAD.replace("<5", "12+"), r"different states of 'b' on line 6; got 12\+, 5-12, 12\+"),
    "twice": (HEAD + HEAD[HEAD.index("variable a") :], "one block of variable 'a' on line 9"),
    "again": (HEAD + A + A, "one probability block of 'a' on line 10; got another"),
    "none": (HEAD + A, "Expected a probability block of 'b' on line 10; got none. Add it"),
    "unknown": (f"{HEAD}probability ( aa ) {{ }}", "declared above on line 9; got 'aa'. Did you mean 'a'?"),
    "itself": (f"{HEAD}probability ( a | a ) {{ }}", r"parents, all different on line 9; got \(a, a\)"),
    "state": (
        HEAD + A + B.format("(YES) 1, 0, 0;"),
        "a state of 'a' on line 11; got 'YES'. Did you mean 'yes'",
    ),
    "states": (HEAD + A + B.format("(yes, no) 1, 0, 0;"), r"each of \(a\) on line 11; got \(yes, no\)"),
    "row": (HEAD + A + B.format("(yes) 1, 0, 0;"), r"a row of 'b' for \(no\) on line 10; got none"),
    "row twice": (HEAD + A + B.format("(yes) 1, 0, 0;\n(yes) 1, 0, 0;"), "one row each of 'b' on line 12"),
    "row and table": (
        HEAD + A + B.format("(no) 1,0,0; table 1,0,0,1,0,0;"),
        "one row each of 'b' on line 11",
    ),
    "two defaults": (HEAD + A + B.format("default 1,0,0;default 1,0,0;"), "one row each of 'b' on line 11"),
    "few": (HEAD + A + B.format("(yes) 1, 0;"), "Expected 3 numbers on line 11; got 2"),
    "text": (HEAD + A + B.format("(yes) 1, 0, O;"), "Expected numbers on line 11; got '1, 0, O'"),
    "mixed": (HEAD + A + B.format("(yes) 1 0, 0;"), "Expected numbers on line 11; got '1 0, 0'"),
    "semicolon": (HEAD + A + B.format("(yes) 1, 0, 0 (no)"), r"Expected ';' on line 11; got '\('"),
    "quote": (HEAD.replace("yes", '"yes'), r"""Expected '}' on line 4; got '"'"""),
    "sum": (
        HEAD + A + B.format("(no) 1, 0, 0;\n(yes) 0.5, 0.5, 0.1;"),
        r"'b' given \(yes\) on line 12 that are not .* sum to 1; got 0.5, 0.5, 0.1, which sum to 1.1",
    ),
    "negative": (
        HEAD + A + B.format("default 1.1, -0.1, 0;"),
        r"'b' given \(yes\) on line 11 that are not neg",
    ),
    "nan": (HEAD + A.replace("0.5", "nan"), "Expected probabilities of 'a' on line 9"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_name_the_line(name):
    text, message = ERRORS[name]
    with pytest.raises(ValueError, match=message):
        read_bif(text)


def test_a_cycle_is_refused_by_name():
    text = f"{HEAD}probability ( a | b ) {{ default 1, 0; }} probability ( b | a ) {{ default 1, 0, 0; }}"
    with pytest.raises(pdl.CyclicGraph, match="a -> b -> a|b -> a -> b"):
        read_bif(text)


@pytest.mark.slow
def test_the_log_joint_is_the_sum_of_the_logarithms_of_the_entries():
    network = read_bif(path_of("child")).program
    rng = np.random.default_rng(0)
    codes: dict[str, int] = {}
    for name, parents in network.parents.items():
        row = network.tables[name][tuple(codes[parent] for parent in parents)]
        codes[name] = int(rng.choice(np.flatnonzero(row)))
    entries = [
        network.tables[name][tuple(codes[axis] for axis in (*parents, name))]
        for name, parents in network.parents.items()
    ]
    assert min(entries) > 0
    expected = np.log(entries).sum()
    some = dict(list(codes.items())[::2])
    rest = {name: code for name, code in codes.items() if name not in some}
    np.testing.assert_allclose(pdl.Model(network).log_joint(codes), expected, rtol=1e-12)
    conditioned = read_bif(path_of("child")).condition(**some)
    np.testing.assert_allclose(conditioned.log_joint(rest), expected, rtol=1e-12)


@pytest.mark.slow
def test_draws_have_the_frequencies_of_the_joint():
    model = read_bif(path_of("cancer"))
    network, count = model.program, 20_000
    draws = {k: v.to_numpy().ravel() for k, v in site_variables(model.sample(0, count)["prior"])}
    exact = joint(network)
    found = np.zeros(exact.shape)
    np.add.at(found, tuple(draws[name] for name in network.variables), 1 / count)
    assert (np.abs(found - exact) < 5 * np.sqrt(exact * (1 - exact) / count) + 1e-12).all()


def test_the_posterior_of_asia_is_the_published_one():
    network = read_bif(path_of("asia")).program
    axis = {name: i for i, name in enumerate(network.variables)}
    seen = network.codes(asia="yes", dysp="yes")
    given = np.take(joint(network), [seen["asia"]], axis["asia"]).take([seen["dysp"]], axis["dysp"])
    for name, expected in {"tub": 0.0878, "lung": 0.0995, "bronc": 0.8114}.items():
        marginal = given.sum(axis=tuple(i for other, i in axis.items() if other != name))
        np.testing.assert_allclose((marginal / marginal.sum())[0], expected, atol=5e-5)


def test_do_cuts_the_parents_off():
    network = read_bif(path_of("asia")).program
    model = pdl.Model(network).do(**network.codes(either="yes"))
    codes = dict.fromkeys(network.variables, 0) | network.codes(smoke="no", bronc="no")
    del codes["either"]
    entries = [0.01, 0.05, 0.5, 0.01, 0.7, 0.98, 0.7]
    np.testing.assert_allclose(model.log_joint(codes), np.log(entries).sum(), rtol=1e-12)
    assert set(pdl.graph(model).predecessors("either")) == set()


def test_codes_and_labels_are_inverse():
    network = read_bif(path_of("child")).program
    assert network.codes(XrayReport="Oligaemic", Age="4-10_days") == {"XrayReport": 1, "Age": 1}
    every = {name: np.array(states) for name, states in network.states.items()}
    codes = network.codes(**every)
    for name, labels in network.labels(**codes).items():
        np.testing.assert_array_equal(labels, every[name])
        np.testing.assert_array_equal(codes[name], np.arange(len(every[name])))
    with pytest.raises(ValueError, match="a state of 'Age'; got '4-10'. Did you mean '4-10_days'?"):
        network.codes(Age="4-10")
    with pytest.raises(pdl.SiteNotFound, match="in codes; got 'age'. Did you mean 'Age'?"):
        network.codes(age="4-10_days")
    with pytest.raises(ValueError, match="codes of 'Age' from 0 to 2; got 3"):
        network.labels(Age=[0, 3])


@pytest.mark.slow
@pytest.mark.parametrize("value", [True, 1.0, np.int8(1), np.float32(1)])
def test_codes_of_any_type_select_a_row(value):
    model = read_bif(path_of("cancer"))
    codes = {"Cancer": 1, "Xray": 0, "Dyspnoea": 1, "Pollution": 0}
    assert model.do(Smoker=value).log_joint(codes) == model.do(Smoker=1).log_joint(codes)


def test_other_tables_need_no_compilation():
    first, second = read_bif(path_of("asia")), read_bif(path_of("asia"))
    assert first.bound[0] == second.bound[0]
    assert len(first.bound[1].leaves) == 8
    other = dict(first.program.tables) | {"smoke": np.array([0.9, 0.1])}
    changed = pdl.Model(first.program, other)
    assert changed.bound[0] == first.bound[0]
    codes = dict.fromkeys(first.program.variables, 0)
    np.testing.assert_allclose(changed.log_joint(codes) - first.log_joint(codes), np.log(0.9 / 0.5))
    assert parse_bif(to_bif(changed)).tables["smoke"].tolist() == [0.9, 0.1]
    assert to_bif(first.condition(asia=0)) == to_bif(first)
    closed = pdl.Model(first.program.with_tables(other))
    assert closed.bound[0] != pdl.Model(first.program).bound[0]
    assert closed.log_joint(codes) == changed.log_joint(codes)


def test_networks_are_immutable_and_small_to_print():
    network = read_bif(path_of("asia")).program
    with pytest.raises(AttributeError):
        network.states = {}
    with pytest.raises(TypeError):
        network.tables["asia"] = np.ones(2) / 2
    with pytest.raises(ValueError, match="read-only"):
        network.tables["asia"][0] = 1
    assert repr(network) == "BayesianNetwork(8 variables, 8 edges)"


TWO = ({"a": ("x", "y"), "b": ("x",)}, {"a": (), "b": ("a",)}, {"a": [0.5, 0.5], "b": [[1.0], [1.0]]})


@pytest.mark.parametrize(
    ("part", "name", "value", "message"),
    [
        (0, "b", (), "at least one state of 'b'"),
        (0, "a", ("x", "x"), "different states of 'a'; got 'x' twice"),
        (1, "b", ("a", "a"), "different parents of 'b'; got 'a' twice"),
        (1, "b", ("c",), "the parents of 'b'; got 'c'"),
        (1, "a", ("b",), "cycle"),
        (2, "b", [1.0, 1.0], r"shape \(2, 1\) for 'b', one axis each for a, b; got shape \(2,\)"),
        (2, "b", [[1.0], [0.9]], "'b' given a=y that are not negative and sum to 1; got 0.9"),
        (2, "c", [1.0], "the same variables in states and tables; got 'c'"),
    ],
)
def test_parts_that_do_not_fit_are_refused(part, name, value, message):
    parts = [dict(found) for found in TWO]
    parts[part][name] = value
    with pytest.raises((ValueError, KeyError), match=message):
        BayesianNetwork(*parts)


def test_parts_in_any_order_are_put_in_order():
    network = BayesianNetwork(*({name: found[name] for name in "ba"} for found in TWO))
    assert network.variables == ("a", "b")
    assert network == BayesianNetwork(*TWO)
    assert network != "network"
    other = network.with_tables({"a": [0.4, 0.6], "b": [[1.0], [1.0]]})
    assert other != network
    assert len({network, other, BayesianNetwork(*TWO)}) == 2


def dice(bias=0.3):
    die = numpyro.sample("die", dist.DiscreteUniform(2, 4))
    even = numpyro.deterministic("even", die % 2 == 0)
    coin = numpyro.sample("coin", dist.Bernoulli(jnp.where(even, bias, 0.5)))
    numpyro.sample("heads", dist.Binomial(2, 0.25 + 0.5 * coin))
    numpyro.sample("y", dist.Categorical(jnp.array([[0.1, 0.9], [0.8, 0.2]])[coin]), obs=1)


def test_a_program_is_tabulated():
    network = tabulate(pdl.Model(dice))
    assert network.states["die"] == ("2", "3", "4")
    assert dict(network.parents) == {"die": (), "coin": ("die",), "heads": ("coin",), "y": ("coin",)}
    expected = {
        "die": np.full(3, 1 / 3),
        "coin": [[0.7, 0.3], [0.5, 0.5], [0.7, 0.3]],
        "heads": [[0.5625, 0.375, 0.0625], [0.0625, 0.375, 0.5625]],
        "y": [[0.1, 0.9], [0.8, 0.2]],
    }
    for name, table in expected.items():
        np.testing.assert_allclose(network.tables[name], table, rtol=1e-12)


@pytest.mark.slow
def test_a_written_program_has_the_same_joint():
    model = pdl.Model(dice, bias=0.2)
    again = read_bif(to_bif(model)).condition(y=1)
    for die, coin, heads in itertools.product(range(3), range(2), range(3)):
        codes = {"die": die, "coin": coin, "heads": heads}
        values = {**codes, "die": die + 2}
        np.testing.assert_allclose(again.log_joint(codes), model.log_joint(values), rtol=1e-12)


@pytest.mark.slow
def test_what_is_held_goes_into_the_tables():
    held = tabulate(pdl.Model(dice).do(die=3))
    assert held.variables == ("coin", "heads", "y")
    np.testing.assert_allclose(held.tables["coin"], [0.5, 0.5], rtol=1e-12)
    asia = read_bif(path_of("asia"))
    cut = tabulate(asia.do(either=0))
    assert cut.parents["dysp"] == ("bronc",)
    np.testing.assert_allclose(cut.tables["dysp"], asia.program.tables["dysp"][:, 0], rtol=1e-12)


def plated():
    with numpyro.plate("n", 3):
        numpyro.sample("x", dist.Bernoulli(0.5))


def scaled():
    with numpyro.handlers.scale(scale=2.0):
        numpyro.sample("x", dist.Bernoulli(0.5))


def shrinking():
    count = numpyro.sample("count", dist.Categorical(jnp.ones(3) / 3))
    numpyro.sample("x", dist.Binomial(count, 0.5))


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (lambda: numpyro.sample("x", dist.Normal(0, 1)), "got 'x', which is Normal"),
        (lambda: numpyro.sample("x", dist.Poisson(1.0)), "got 'x', which is Poisson"),
        (lambda: numpyro.sample("x", dist.Bernoulli(jnp.ones(2) / 2).to_event(1)), r"'x' of shape \(2,\)"),
        (lambda: numpyro.factor("f", 1.0), "got 'f', a factor. Write it as an observed site"),
        (lambda: numpyro.param("w", 1.0), "got 'w', a param. Hold it with `do`"),
        (plated, r"got 'x' of shape \(3,\) in plate 'n'"),
        (scaled, "probabilities of 'x' .* got 0.25, 0.25, .* Remove masks and scales from 'x'"),
        (shrinking, "depends on no other site; got 'x', which is Binomial"),
    ],
)
def test_programs_that_are_no_tables_are_refused(program, message):
    with pytest.raises(ValueError, match=message):
        to_bif(pdl.Model(program))


def test_names_that_bif_cannot_hold_are_refused():
    network = BayesianNetwork({'a"b': ("x",)}, {'a"b': ()}, {'a"b': [1.0]})
    with pytest.raises(ValueError, match="a site without quotes and line breaks"):
        to_bif(pdl.Model(network))


def test_text_and_files_are_the_same(tmp_path):
    text = text_of(path_of("asia"))
    (tmp_path / "asia.bif").write_text(text)
    expected = parse_bif(text)
    for source in (text, tmp_path / "asia.bif", str(tmp_path / "asia.bif"), path_of("asia")):
        assert read_bif(source).program == expected
    with pytest.raises(FileNotFoundError, match="got 'asia.biff', which does not exist"):
        read_bif("asia.biff")
    with pytest.raises(TypeError, match="Expected a text or the path of a file; got int"):
        read_bif(3)
    (tmp_path / "odd.bif").write_bytes(b"network \xff { }")
    with pytest.raises(ValueError, match="UTF-8 in .*odd.bif; got the byte 0xff at 8"):
        read_bif(tmp_path / "odd.bif")
