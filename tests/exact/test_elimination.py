"""Elimination on tables against sums over all assignments."""

import math
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from probdl.exact.tables.answers import MostProbable
from probdl.exact.tables.contradiction import ImpossibleEvidence
from probdl.exact.tables.elimination import TableElimination

SEEDS = st.integers(0, 2**32 - 1)
ROUNDING = 1e-12
LAWS = settings(max_examples=150, deadline=None)


class Case(NamedTuple):
    sizes: dict
    scopes: list
    tables: list
    evidence: dict

    @property
    def joint(self):
        """Weights of all assignments, one axis a variable; zero where they are not as observed."""
        names = list(self.sizes)
        weights = np.ones(list(self.sizes.values()))
        for scope, table in zip(self.scopes, self.tables, strict=True):
            order = sorted(range(len(scope)), key=lambda i: names.index(scope[i]))
            shape = [self.sizes[name] if name in scope else 1 for name in names]
            weights = weights * table.transpose(order).reshape(shape)
        for name, state in self.evidence.items():
            mask = np.zeros(self.sizes[name])
            mask[state] = 1
            weights = weights * mask.reshape([-1 if other == name else 1 for other in names])
        return weights

    def axes(self, names):
        return tuple(list(self.sizes).index(name) for name in names)

    def marginal(self, names, weights=None):
        """Joint table of some variables, in the order in which they are named."""
        weights = self.joint if weights is None else weights
        kept = self.axes(names)
        table = weights.sum(axis=tuple(set(range(weights.ndim)) - set(kept)))
        return table.transpose(np.argsort(np.argsort(kept))) / weights.sum()

    def engine(self, **options):
        return TableElimination(self.sizes, self.scopes, **options)


def random_case(seed, *, variables=6, zeros=0.3, observed=2, conditional=False):
    """A product of tables of random shapes, with some zeros, and some observations."""
    r = np.random.default_rng(seed)
    names = [f"v{i}" if r.random() < 0.5 else (i, "x") for i in range(r.integers(1, variables + 1))]
    sizes = {name: int(r.choice([1, 2, 2, 3, 4])) for name in names}
    scopes, tables = [], []
    for i, name in enumerate(names):
        others = names[:i] if conditional else [other for other in names if other != name]
        picked = r.permutation(len(others))[: r.integers(0, min(3, len(others)) + 1)]
        scopes.append((*(others[j] for j in picked), name))
    if not conditional:
        scopes += [scopes[0], ()][: r.integers(0, 3)]
        scopes = [tuple(scope[j] for j in r.permutation(len(scope))) for scope in scopes]
    for scope in scopes:
        table = r.exponential(size=[sizes[name] for name in scope])
        table = np.asarray(table * (r.random(table.shape) >= zeros * r.random()))
        if conditional:
            table = table + (table.sum(-1, keepdims=True) == 0)
            table = table / table.sum(-1, keepdims=True)
        tables.append(table)
    seen = r.permutation(len(names))[: r.integers(0, observed + 1)]
    evidence = {names[i]: int(r.integers(sizes[names[i]])) for i in seen}
    return Case(sizes, scopes, tables, evidence)


def check_posterior(case, posterior):
    joint = case.joint
    assert posterior.log_evidence == pytest.approx(math.log(joint.sum()), abs=ROUNDING)
    assert list(posterior.marginals) == list(case.sizes)
    for name, found in posterior.marginals.items():
        np.testing.assert_allclose(found, case.marginal([name], joint), atol=ROUNDING)
    for scope, found in zip(case.scopes, posterior.factor_marginals, strict=True):
        np.testing.assert_allclose(found, case.marginal(scope, joint), atol=ROUNDING)


@pytest.mark.slow
@given(SEEDS)
@LAWS
def test_posterior_is_that_of_all_assignments(seed):
    case = random_case(seed)
    if case.joint.sum() == 0:
        assert case.engine().log_evidence(case.tables, case.evidence) == -math.inf
        with pytest.raises(ImpossibleEvidence):
            case.engine().infer(case.tables, case.evidence)
    else:
        check_posterior(case, case.engine().infer(case.tables, case.evidence))


@pytest.mark.slow
@given(SEEDS, st.integers(2, 30))
@LAWS
def test_holding_variables_changes_nothing(seed, most):
    case = random_case(seed, zeros=0.6)
    assume(case.joint.sum() > 0)
    engine = case.engine(max_table=most)
    cost = engine.cost(case.evidence)
    assert cost.largest_table <= most
    check_posterior(case, engine.infer(case.tables, case.evidence))
    full = engine.most_probable(case.tables, case.evidence)
    assert full.log_weight == pytest.approx(math.log(case.joint.max()), abs=ROUNDING)


def test_holding_variables_is_put_to_the_test():
    runs = [random_case(seed).engine(max_table=6).cost().runs for seed in range(40)]
    assert sum(count > 1 for count in runs) > 10


@given(SEEDS)
@LAWS
def test_most_probable_assignment_attains_the_maximum(seed):
    case = random_case(seed)
    joint = case.joint
    assume(joint.sum() > 0)
    found = case.engine().most_probable(case.tables, case.evidence)
    assert set(found.states) == set(case.sizes) - set(case.evidence)
    states = found.states | case.evidence
    attained = joint[tuple(states[name] for name in case.sizes)]
    assert math.log(attained) == pytest.approx(found.log_weight, abs=ROUNDING)
    assert attained >= joint.max() * (1 - ROUNDING)


@given(SEEDS)
@LAWS
def test_most_probable_part_sums_before_it_maximises(seed):
    case = random_case(seed)
    joint = case.joint
    assume(joint.sum() > 0)
    r = np.random.default_rng(seed)
    wanted = [name for name in case.sizes if r.random() < 0.5]
    found = case.engine().most_probable(case.tables, case.evidence, wanted)
    weights = case.marginal(wanted, joint) * joint.sum()
    attained = weights[tuple(found.states[name] for name in wanted)]
    assert list(found.states) == wanted
    assert math.log(attained) == pytest.approx(found.log_weight, abs=ROUNDING)
    assert attained >= weights.max() * (1 - ROUNDING)


def test_only_variables_that_are_maximised_out_are_held_outside_the_maximum():
    names, held = "abcde", 0
    scopes = [(x, y) for x in names for y in names if x < y]
    for seed in range(20):
        r = np.random.default_rng(seed)
        case = Case(dict.fromkeys(names, 3), scopes, [r.exponential(size=(3, 3)) ** 3 for _ in scopes], {})
        weights = case.marginal(["c", "d", "e"]) * case.joint.sum()
        found = case.engine(max_table=27).most_probable(case.tables, variables=["c", "d", "e"])
        assert found.log_weight == pytest.approx(math.log(weights.max()), abs=ROUNDING)
        held += case.engine(max_table=27).cost().runs > 1
    assert held == 20


@given(SEEDS)
@LAWS
def test_joint_marginal_of_any_variables(seed):
    case = random_case(seed)
    joint = case.joint
    assume(joint.sum() > 0)
    r = np.random.default_rng(seed)
    wanted = [list(case.sizes)[i] for i in r.permutation(len(case.sizes))[: r.integers(0, 4)]]
    entries = math.prod(case.sizes[name] for name in wanted)
    for engine in (case.engine(), case.engine(max_table=4 * entries)):
        found = engine.marginal(case.tables, wanted, case.evidence)
        np.testing.assert_allclose(found, case.marginal(wanted, joint), atol=ROUNDING)


@pytest.mark.slow
@given(SEEDS)
@LAWS
def test_barren_variables_do_not_matter(seed):
    case = random_case(seed, conditional=True)
    joint = case.joint
    assume(joint.sum() > 0)
    engine = case.engine(conditionals=list(case.sizes))
    assert engine.log_evidence(case.tables, case.evidence) == pytest.approx(
        math.log(joint.sum()), abs=ROUNDING
    )
    wanted = list(case.sizes)[:1]
    np.testing.assert_allclose(
        engine.marginal(case.tables, wanted, case.evidence), case.marginal(wanted, joint), atol=ROUNDING
    )
    check_posterior(case, engine.infer(case.tables, case.evidence))


def test_barren_tables_are_not_read():
    engine = TableElimination({"a": 2, "b": 2}, [("a",), ("a", "b")], ["a", "b"])
    unread = [np.array([0.25, 0.75]), np.full((2, 2), np.nan)]
    assert engine.log_evidence(unread, {"a": 0}) == math.log(0.25)


@pytest.mark.parametrize("most", [2**27, 9])
@pytest.mark.parametrize("seed", [1, 2, 5])
def test_samples_have_the_frequencies_of_the_posterior(seed, most):
    case = random_case(seed, variables=5, zeros=0.5)
    number = 40_000
    drawn = case.engine(max_table=most).sample(
        np.random.default_rng(1), case.tables, case.evidence, num_samples=number
    )
    assert {values.shape for values in drawn.values()} == {(number,)}
    expected = case.joint / case.joint.sum()
    counts = np.zeros(expected.shape)
    np.add.at(counts, tuple(drawn[name] for name in case.sizes), 1)
    error = np.sqrt(expected * (1 - expected) / number)
    assert (np.abs(counts / number - expected) <= 5 * error).all()
    assert np.unique(counts > 0).size == 2 or expected.all()


def test_samples_are_independent_of_their_position():
    """Draws of a held variable come from one run after the other: they must be shuffled."""
    r = np.random.default_rng(0)
    names = [f"v{i}" for i in range(5)]
    scopes = [(a, b) for i, a in enumerate(names) for b in names[:i]]
    engine = TableElimination(dict.fromkeys(names, 2), scopes, max_table=4)
    assert engine.cost().runs > 1
    drawn = engine.sample(r, [np.ones((2, 2))] * len(scopes), num_samples=4000)
    for values in drawn.values():
        assert abs(values[:2000].mean() - values[2000:].mean()) < 5 * math.sqrt(2 * 0.25 / 2000)


def test_no_samples_are_an_empty_array():
    engine = TableElimination({"a": 2}, [("a",)])
    assert engine.sample(np.random.default_rng(0), [[1, 1]], num_samples=0)["a"].shape == (0,)


def chain(length, r):
    scopes = [(0,), *((i, i + 1) for i in range(length - 1)), *((i,) for i in range(length))]
    return dict.fromkeys(range(length), 3), scopes, [r.random([3] * len(scope)) * 1e-9 for scope in scopes]


def test_a_long_chain_does_not_underflow():
    sizes, scopes, tables = chain(1500, np.random.default_rng(0))
    found = TableElimination(sizes, scopes).infer(tables)
    length, forward, log_total = 1500, tables[0] * tables[1500], 0.0
    filtered = []
    for i in range(length):
        if i:
            forward = (forward @ tables[i]) * tables[length + i]
        log_total += math.log(forward.sum())
        forward = forward / forward.sum()
        filtered.append(forward)
    assert log_total < -40_000
    assert found.log_evidence == pytest.approx(log_total, rel=1e-13)
    backward = np.ones(3)
    for i in reversed(range(length)):
        smoothed = filtered[i] * backward
        np.testing.assert_allclose(found.marginals[i], smoothed / smoothed.sum(), atol=ROUNDING)
        if i:
            backward = tables[i] @ (tables[length + i] * backward)
            backward /= backward.sum()
    assert max(abs(marginal.sum() - 1) for marginal in found.marginals.values()) < 1e-15
    states = TableElimination(sizes, scopes).most_probable(tables)
    assert states.log_weight == pytest.approx(
        sum(math.log(t[tuple(states.states[v] for v in s)]) for s, t in zip(scopes, tables, strict=True)),
        rel=1e-13,
    )


@pytest.mark.parametrize("scale", [1e-250, 1e250])
def test_tables_of_any_scale(scale):
    case = random_case(5, zeros=0.0)
    posterior = case.engine().infer([table * scale for table in case.tables], case.evidence)
    shifted = posterior.log_evidence - len(case.tables) * math.log(scale)
    assert shifted == pytest.approx(math.log(case.joint.sum()), rel=1e-13)


@pytest.mark.parametrize(("evidence", "b"), [({}, [1 / 3, 2 / 3]), ({"b": 0}, [1, 0])])
def test_derivatives_that_overflow_at_zeros_do_not_matter(evidence, b):
    """Were `mode` 1, all would be 1e200 times as likely, twice: but that is impossible."""
    sizes = {"mode": 2, "a": 2, "b": 2}
    likely = np.array([[1e-200, 2e-200], [1.0, 1.0]])
    tables = [np.array([1.0, 0.0]), likely, likely]
    found = TableElimination(sizes, [("mode",), ("mode", "a"), ("mode", "b")]).infer(tables, evidence)
    joints = [[1, 0], [[1 / 3, 2 / 3], [0, 0]], [b, [0, 0]]]
    for name, expected in {"mode": [1, 0], "a": [1 / 3, 2 / 3], "b": b}.items():
        np.testing.assert_allclose(found.marginals[name], expected)
    for table, expected in zip(found.factor_marginals, joints, strict=True):
        np.testing.assert_allclose(table, expected)


def test_an_underflow_is_no_contradiction():
    sizes = {"mode": 2, **dict.fromkeys("abcd", 2)}
    likely = np.array([[1e-200, 1e-200], [1.0, 1.0]])
    scopes = [("mode",), *(("mode", name) for name in "abcd")]
    engine = TableElimination(sizes, scopes)
    with pytest.raises(ValueError, match="underflows to zero. Raise the smallest weights") as caught:
        engine.infer([np.array([1.0, 0.0]), *[likely] * 4], dict.fromkeys("abcd", 0))
    assert not isinstance(caught.value, ImpossibleEvidence)


def test_impossible_evidence_names_what_contradicts():
    sizes = {"a": 2, "b": 2, "c": 2, "d": 3}
    scopes = [("a",), ("a", "b"), ("b", "c"), ("d",)]
    tables = [[0.5, 0.5], np.eye(2), np.eye(2), [0.2, 0.3, 0.5]]
    engine = TableElimination(sizes, scopes)
    message = r"got 'a'=0, 'c'=1, of probability zero. Correct or remove one of them."
    for ask in (
        lambda e: engine.infer(tables, e),
        lambda e: engine.marginal(tables, ["b"], e),
        lambda e: engine.most_probable(tables, e),
        lambda e: engine.sample(np.random.default_rng(0), tables, e),
    ):
        with pytest.raises(ImpossibleEvidence, match=message) as caught:
            ask({"d": 1, "a": 0, "c": 1})
    assert caught.value.observations == {"a": 0, "c": 1}
    assert engine.log_evidence(tables, {"a": 0, "c": 1}) == -math.inf
    with pytest.raises(ImpossibleEvidence, match="got zero everywhere"):
        engine.infer([[0.0, 0.0], *tables[1:]], {"d": 1})


def test_named_contradictions_are_minimal():
    lengths = set()
    for seed in range(300):
        case = random_case(seed, zeros=1.0, observed=6, conditional=True)
        if case.joint.sum() > 0:
            continue
        with pytest.raises(ImpossibleEvidence) as caught:
            case.engine().infer(case.tables, case.evidence)
        blamed = caught.value.observations
        lengths.add(len(blamed))
        assert case._replace(evidence=blamed).joint.sum() == 0
        for name in blamed:
            rest = {other: state for other, state in blamed.items() if other != name}
            assert case._replace(evidence=rest).joint.sum() > 0
    assert len(lengths) >= 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tables": [[1, 1]]}, "Expected 2 tables, one for each scope; got 1"),
        (
            {"tables": [[1, 1], [[1, 1]]]},
            r"Expected table 1 to have shape \(2, 3\).*'a', 'b'; got shape \(1, 2\)",
        ),
        (
            {"tables": [[1, -0.5], np.ones((2, 3))]},
            "finite entries that are not negative; got -0.5 in table 0",
        ),
        ({"tables": [[1, 1], np.full((2, 3), np.nan)]}, "got nan in table 1"),
        ({"tables": [[1, math.inf], np.ones((2, 3))]}, "got inf in table 0"),
        ({"evidence": {"b": 3}}, "Expected a state of 'b' from 0 to 2; got 3"),
        ({"evidence": {"b": -1}}, "got -1"),
        ({"evidence": {"bb": 1}}, "got 'bb'. Did you mean 'b'?"),
    ],
)
def test_what_does_not_fit_is_named(change, message):
    engine = TableElimination({"a": 2, "b": 3}, [("a",), ("a", "b")])
    given = {"tables": [[1, 1], np.ones((2, 3))], "evidence": {}} | change
    with pytest.raises(ValueError, match=message):
        engine.infer(given["tables"], given["evidence"])


def test_states_are_integers():
    with pytest.raises(TypeError, match="Expected the number of a state of 'a'; got 'yes'"):
        TableElimination({"a": 2}, [("a",)]).infer([[1, 1]], {"a": "yes"})
    found = TableElimination({"a": 2}, [("a",)]).infer([[1, 1]], {"a": np.int32(1)})
    assert found.marginals["a"].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (({"a": 0}, [("a",)]), "Expected at least one state of 'a'; got 0"),
        (({"a": 2}, [("b",)]), "Expected variables with sizes in scope 0; got 'b'"),
        (({"a": 2}, [("a", "a")]), "Expected different variables in scope 0"),
        (({"a": 2, "b": 2}, [("a",)]), "Expected each variable in a table; got 'b' in none"),
        (({"a": 2}, [("a",)], ["b"]), "as conditionals; got"),
        (({"a": 2}, [("a",)], []), "as conditionals; got"),
    ],
)
def test_shapes_that_do_not_fit_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        TableElimination(*arguments)


def test_variables_are_asked_for_once():
    engine = TableElimination({"a": 2}, [("a",)])
    with pytest.raises(ValueError, match="Expected different variables"):
        engine.marginal([[1, 1]], ["a", "a"])
    assert engine.most_probable([[1, 3]], variables=[]) == MostProbable({}, pytest.approx(math.log(4)))
