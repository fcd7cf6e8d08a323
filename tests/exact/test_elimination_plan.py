"""Orders, plans, contractions and cut sets: what is decided before any number is seen."""

import itertools
import math
import re
import sys
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probdl.exact.tables.contraction import Matrices, contraction, summation
from probdl.exact.tables.elimination import TableElimination
from probdl.exact.tables.order import members, neighbours, summation_order
from probdl.exact.tables.plan import make_plan
from probdl.exact.tables.plans import MOST_PLANS
from probdl.exact.tables.restriction import relevant
from probdl.exact.tables.schedule import make_schedule

SEEDS = st.integers(0, 2**32 - 1)


def random_shapes(seed, most=7):
    r = np.random.default_rng(seed)
    count = int(r.integers(1, most + 1))
    sizes = r.integers(1, 5, count).tolist()
    scopes = [tuple(r.permutation(count)[: r.integers(0, 4)].tolist()) for _ in range(r.integers(1, 9))]
    return sizes, [*scopes, *((v,) for v in range(count))]


def clique_cost(scopes, sizes, order):
    """The sum of the clique sizes of an order, by sets."""
    tables, cost = [set(scope) for scope in scopes], 0
    for v in order:
        clique = set().union({v}, *(table for table in tables if v in table))
        cost += math.prod(sizes[u] for u in clique)
        tables = [table for table in tables if v not in table] + [clique - {v}]
    return cost


def test_orders_are_near_the_best():
    ratios = []
    for seed in range(100):
        sizes, scopes = random_shapes(seed, most=5)
        order = summation_order(scopes, sizes)
        assert sorted(order) == list(range(len(sizes)))
        assert summation_order(scopes, sizes) == order
        best = min(clique_cost(scopes, sizes, other) for other in itertools.permutations(order))
        ratios.append(clique_cost(scopes, sizes, order) / best)
    assert np.mean(np.array(ratios) == 1) > 0.4
    assert np.mean(ratios) < 1.2


@given(SEEDS)
@settings(max_examples=60, deadline=None)
def test_variables_that_are_last_come_last(seed):
    sizes, scopes = random_shapes(seed)
    last = seed % 2 ** len(sizes)
    flags = [last >> v & 1 for v in summation_order(scopes, sizes, last)]
    assert flags == sorted(flags)


def test_a_grid_has_its_width():
    side = 8
    scopes = [
        *((side * i + j, side * i + j + 1) for i in range(side) for j in range(side - 1)),
        *((side * i + j, side * (i + 1) + j) for i in range(side - 1) for j in range(side)),
    ]
    around = neighbours(scopes, side * side)
    assert sorted(bits.bit_count() for bits in around) == [2] * 4 + [3] * 24 + [4] * 36
    plan = make_plan([2] * side**2, scopes, summation_order(scopes, [2] * side**2))
    assert plan.cost.largest_table <= 2 ** (side + 2)


def test_ordering_a_thousand_variables_takes_little_time():
    r = np.random.default_rng(0)
    scopes = [(v, *{int(u) for u in r.integers(max(0, v - 12), v, 2)}) for v in range(1, 1000)]
    started = time.process_time()
    summation_order(scopes, r.integers(2, 6, 1000).tolist())
    assert time.process_time() - started < 5


@given(SEEDS)
@settings(max_examples=100, deadline=None)
def test_plans_take_each_table_once_and_sum_each_variable_once(seed):
    sizes, scopes = random_shapes(seed)
    kept = {v for v in range(len(sizes)) if seed >> v & 1}
    plan = make_plan(sizes, scopes, summation_order(scopes, sizes), kept)
    taken = [table for step in plan.steps for table in step.tables]
    assert sorted([*taken, *plan.left]) == list(range(len(scopes) + len(plan.steps)))
    summed = [v for step in plan.steps for v in members(step.summed)]
    assert sorted([*summed, *kept]) == list(range(len(sizes)))
    assert {v for scope in plan.left_scopes for v in scope} == kept
    products = made = 0
    for step in plan.steps:
        scope = set().union(*(set(members(plan.tables[table])) for table in step.tables))
        assert set(members(step.scope)) | set(members(step.summed)) == scope
        products += math.prod(sizes[v] for v in scope) * (len(step.tables) - 1)
        made += math.prod(sizes[v] for v in members(step.scope))
    assert plan.cost.multiplications == products
    assert plan.cost.bytes == 8 * made


@given(SEEDS)
@settings(max_examples=150, deadline=None)
def test_contractions_are_sums_of_products(seed):
    r = np.random.default_rng(seed)
    sizes = r.choice([1, 2, 3, 5, 17], 6).tolist()
    common = r.permutation(6)[: r.integers(1, 4)].tolist()
    apart = [v for v in range(6) if v not in common]
    scopes = [tuple(common + apart[:2]), tuple(common[::-1] + apart[2 : 2 + r.integers(0, 3)])]
    scopes = [tuple(r.permutation(scope).tolist()) for scope in scopes[:: r.choice([-1, 1])]]
    summed = frozenset(common[: r.integers(0, len(common) + 1)])
    found = contraction(sizes, *scopes, summed, r.permutation(6).tolist())
    tables = [r.random([sizes[v] for v in scope]) for scope in scopes]
    laid = [
        np.einsum(table, list(scope), list(taken)).reshape(shape)
        for table, scope, taken, shape in zip(tables, scopes, found.taken, found.laid, strict=True)
    ]
    operands = [tables[0], list(scopes[0]), tables[1], list(scopes[1])]
    expected = np.einsum(*operands, list(found.scope))
    np.testing.assert_allclose(found.forward(*laid), expected.reshape(found.shape), rtol=1e-13)
    whole = np.einsum(*operands, [*found.scope, *summed])
    greatest = whole.reshape(*expected.shape, -1).max(-1)
    np.testing.assert_allclose(found.maximum(*laid), greatest.reshape(found.shape), rtol=1e-13)
    outside = r.random(expected.shape)
    for place in (0, 1):
        derivative = np.einsum(
            outside, list(found.scope), tables[1 - place], list(scopes[1 - place]), list(found.taken[place])
        )
        inner = found.outside(place, outside.reshape(found.shape), laid[1 - place])
        np.testing.assert_allclose(inner, derivative.reshape(found.laid[place]), rtol=1e-13)


def test_all_forms_of_contractions_are_met():
    rank = [0] * 4
    many, few = [40, 2, 2, 2], [3, 40, 40, 40]
    forms = {
        type(contraction(sizes, (0, 1, 2), (0, 1, 3), frozenset(summed), rank)).__name__
        for sizes, summed in ((many, {1}), (few, {1}), (few, {0, 1}), (few, ()))
    }
    assert forms == {"Vectors", "BatchedMatrices", "Matrices", "Broadcast"}


def test_summation():
    r = np.random.default_rng(0)
    found, table = summation([2, 3, 4], (0, 1, 2), frozenset({1})), r.random((2, 3, 4))
    laid = table.transpose(0, 2, 1).reshape(8, 3)
    np.testing.assert_allclose(found.forward(laid), table.sum(1).ravel())
    np.testing.assert_allclose(found.maximum(laid), table.max(1).ravel())
    np.testing.assert_array_equal(found.outside(0, np.arange(8.0)), np.arange(8.0)[:, None] * np.ones((1, 3)))


@given(SEEDS)
@settings(max_examples=60, deadline=None)
def test_layouts_are_undone(seed):
    sizes, scopes = random_shapes(seed)
    r = np.random.default_rng(seed)
    for layout in make_schedule(make_plan(sizes, scopes, summation_order(scopes, sizes))).layouts:
        table = r.random(layout.made)
        assert layout.lay(table).shape == layout.laid
        np.testing.assert_array_equal(layout.undo(layout.lay(table)), table)


def test_the_sum_over_a_clique_is_a_matrix_product():
    """The clique has 40^3 entries, the tables 40^2: it is not stored."""
    engine = TableElimination({"a": 40, "b": 40, "c": 40}, [("a", "b"), ("b", "c")])
    assert engine.cost().largest_table == 1600
    plan = make_plan([40] * 3, [(0, 1), (1, 2)], [1, 0, 2])
    assert isinstance(make_schedule(plan).contractions[0], Matrices) or len(plan.steps[0].tables) == 1


def test_a_star_of_many_tables_is_planned_in_little_time():
    count = 1000
    engine = TableElimination({"y": 3, **dict.fromkeys(range(count), 2)}, [("y", i) for i in range(count)])
    started = time.process_time()
    found = engine.infer([np.full((3, 2), 0.5)] * count, dict.fromkeys(range(count), 1))
    assert time.process_time() - started < 10
    np.testing.assert_allclose(found.marginals["y"], 1 / 3)


def complete(count, size=4):
    names = [f"v{i}" for i in range(count)]
    return dict.fromkeys(names, size), [(a, b) for i, a in enumerate(names) for b in names[:i]]


def test_what_is_too_large_says_why_and_what_would_help():
    message = (
        r"Expected an elimination with tables of at most 100 entries; got one of 10\^17\.\d, over 'v0', "
        r"'v1', .* and \d+ more. Observe 'v\d+' \(then it has 10\^16\.\d\), or raise max_table to "
        r"10\^17\.\d\."
    )
    engine = TableElimination(*complete(30), max_table=100)
    with pytest.raises(ValueError, match=message):
        engine.cost()
    assert engine.cost([f"v{i}" for i in range(26)]).largest_table <= 100


def band(count=14, width=7):
    names = [f"v{i}" for i in range(count)]
    pairs = [(a, b) for i, a in enumerate(names) for b in names[max(i - width, 0) : i]]
    return dict.fromkeys(names, 4), pairs


def test_runs_that_take_hours_are_refused_before_the_first():
    sizes, scopes = band()
    tables = [np.random.default_rng(i).uniform(size=(4, 4)) for i in range(len(scopes))]
    engine = TableElimination(sizes, scopes, max_table=10)
    message = (
        r"at most 10 entries; got one of 16,384, over 'v\d+', .*, or at least 4,194,304 runs with variables "
        r"held in turn, which take hours. Observe 'v6', .*, or raise max_table to (\d+) \(then it takes"
    )
    with pytest.raises(ValueError, match=message) as caught:
        engine.infer(tables)
    enough = int(re.search(message, str(caught.value)).group(1))
    assert TableElimination(sizes, scopes, max_table=enough).cost().largest_table <= enough
    with pytest.raises(ValueError, match="which take hours"):
        TableElimination(sizes, scopes, max_table=enough - 1).cost()


QUESTIONS = {
    "evidence": lambda engine, tables: engine.log_evidence(tables),
    "marginals": lambda engine, tables: engine.infer(tables).factor_marginals,
    "joint": lambda engine, tables: engine.marginal(tables, ["v0", "v1"]),
    "most probable": lambda engine, tables: engine.most_probable(tables),
    "draws": lambda engine, tables: engine.sample(np.random.default_rng(0), tables, num_samples=10),
}


@pytest.mark.few(3)
@pytest.mark.slow
@pytest.mark.parametrize("ask", QUESTIONS.values(), ids=QUESTIONS.keys())
def test_no_list_of_runs_is_kept(ask):
    sizes, scopes = complete(12, size=2)
    tables = [np.random.default_rng(i).uniform(size=(2, 2)) for i in range(len(scopes))]
    engine = TableElimination(sizes, scopes, max_table=8)
    cut, runs = 8, engine.cost().runs
    assert runs == 2**cut
    ask(engine, tables)
    tracemalloc.start()
    ask(engine, tables)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < runs * sys.getsizeof(dict.fromkeys(range(cut)))


def test_as_few_variables_are_held_as_are_needed():
    sizes, scopes = complete(6)
    for most, runs in ((4**5, 1), (4**4, 4), (4**3, 16)):
        cost = TableElimination(sizes, scopes, max_table=most).cost()
        assert (cost.largest_table <= most, cost.runs) == (True, runs)
        assert cost.operations == cost.multiplications * runs


def test_what_is_held_is_what_makes_tables_fit():
    sizes, scopes = complete(5, size=2)
    cost = TableElimination(sizes | {"v0": 10}, scopes, max_table=32).cost()
    assert cost.runs == 10


def test_a_joint_table_that_is_too_large_is_named():
    sizes, scopes = complete(6)
    engine = TableElimination(sizes, scopes, max_table=64)
    with pytest.raises(ValueError, match="Expected a joint table of at most 64 entries; got 256"):
        engine.marginal([np.ones((4, 4))] * len(scopes), ["v0", "v1", "v2", "v3"])


@pytest.fixture
def planned(monkeypatch):
    """What is planned from now on."""
    found = []
    plan = make_plan
    monkeypatch.setattr("probdl.exact.tables.prepared.make_plan", lambda *a: found.append(a) or plan(*a))
    return found


def test_plans_are_kept_for_the_sets_used_last(planned):
    names = list(range(MOST_PLANS + 2))
    engine = TableElimination(dict.fromkeys(names, 2), [(n,) for n in names])
    tables = [[1, 1]] * len(names)
    for state in (0, 1, 0):
        engine.log_evidence(tables, {0: state})
    assert len(planned) == 1
    for name in names[1:]:
        engine.log_evidence(tables, {name: 0})
        engine.log_evidence(tables, {0: 1})
    assert len(planned) == len(names)
    engine.log_evidence(tables, {1: 0})
    assert len(planned) == len(names) + 1
    assert len(engine._plans) == MOST_PLANS


def test_other_observations_need_no_other_plan_until_they_are_met_again(planned):
    names = list(range(6))
    scopes = [(0,), *((n, n + 1) for n in names[:-1])]
    engine = TableElimination(dict.fromkeys(names, 2), scopes)
    tables = [np.random.default_rng(i).uniform(size=[2] * len(scope)) for i, scope in enumerate(scopes)]
    for count, observed in ((1, {0: 1}), (2, {1: 0}), (2, {1: 1, 3: 0}), (3, {1: 0}), (3, {1: 1})):
        found = engine.infer(tables, observed)
        assert len(planned) == count
        same = TableElimination(dict.fromkeys(names, 2), scopes).infer(tables, observed)
        planned.pop()
        assert found.log_evidence == pytest.approx(same.log_evidence, rel=1e-14)
        for name in names:
            assert found.marginals[name] == pytest.approx(same.marginals[name], rel=1e-13, abs=1e-300)
        for mine, its in zip(found.factor_marginals, same.factor_marginals, strict=True):
            assert mine == pytest.approx(its, rel=1e-13, abs=1e-300)


def test_a_dear_plan_for_no_observation_is_not_used(planned, monkeypatch):
    monkeypatch.setattr("probdl.exact.tables.plans.CHEAP", 0)
    engine = TableElimination(dict.fromkeys("abc", 2), [("a", "b"), ("b", "c")])
    for name in "abc":
        engine.infer([np.ones((2, 2))] * 2, {name: 1})
    assert len(planned) == 4


def test_variables_held_in_turn_may_be_observed():
    sizes, scopes = complete(5)
    tables = [np.random.default_rng(i).uniform(size=(4, 4)) for i in range(len(scopes))]
    engine = TableElimination(sizes, scopes, max_table=64)
    assert engine.cost().runs > 1
    for name in sizes:
        found, same = (e.infer(tables, {name: 1}) for e in (engine, TableElimination(sizes, scopes)))
        assert found.log_evidence == pytest.approx(same.log_evidence, rel=1e-13)
        for other in sizes:
            assert found.marginals[other] == pytest.approx(same.marginals[other], rel=1e-12)


def test_barren_tables_are_left_out_again_and_again():
    scopes = [(0,), (0, 1), (1, 2), (2, 3), (1, 4)]
    assert relevant(scopes, [0, 1, 2, 3, 4], {0}) == (0,)
    assert relevant(scopes, [0, 1, 2, 3, 4], {3}) == (0, 1, 2, 3)
    assert relevant(scopes, [0, 1, 2, None, 4], {0}) == (0, 1, 2, 3)
    assert relevant(scopes, [0, 1, 2, 3, 1], {0}) == (0, 1, 4)
