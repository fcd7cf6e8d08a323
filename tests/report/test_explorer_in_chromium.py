"""The page of an explorer in headless Chromium: its answers against Python's, its keys, clicks and looks."""

import importlib.util
import itertools
import json
import random
from pathlib import Path

import networkx as nx
import pytest

import probdl as pdl
from probdl.graphs.backdoor import backdoor_sets, is_backdoor_set
from probdl.graphs.bayes_ball import reachable
from probdl.graphs.elements import find_region
from probdl.graphs.ground import Reach, ground
from probdl.graphs.neighbourhood import markov_blanket
from probdl.graphs.separation import active_path, d_connected, d_separated
from probdl.program.sites import Site, SiteKind
from probdl.report.explorer import explore
from probdl.report.open_edges import homes_in, open_edges
from tests.graphs.graph_programs import CASES
from tests.graphs.templates import random_template
from tests.report.chromium import SHIFT, Chromium, find_chromium

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        find_chromium() is None,
        reason="the explorer is not tested in a browser: there is no Chromium (apt-get install -y chromium)",
    ),
]
MODELS = Path(__file__).parents[2] / "models"
PROGRAMS = ("factor", "scan_latent", "numpyro_cond", "deterministic_chain", "lax_cond_two_outputs")
QUERY = """
(queries => queries.map(([source, target, given]) => {
    const { dag, drawn, data } = explorer, set = new Set(given);
    const answer = explorer.ask(dag, drawn, source, set);
    const path = explorer.activePath(dag, source, target, set);
    const separator = explorer.separator(dag, source, target, set);
    const [unmeasured, observed] = [new Set(data.unmeasured), new Set(data.observed)];
    const minimal = explorer.adjustment(dag, source, target, unmeasured, observed);
    return {
        connected: [...answer.connected],
        separated: [...answer.separated],
        open: [...answer.open],
        path: path && [path.nodes.length, ...path.passages.map(passage => passage.junction)],
        ends: path && [path.nodes[0], path.nodes.at(-1)].map(explorer.name),
        blanket: [...explorer.blanket(dag, source)],
        separator: separator && [...separator],
        isValid: explorer.backdoor(dag, source, target, set).isValid,
        minimal: minimal && [...minimal],
    };
}))(%s)
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    chromium = Chromium(tmp_path_factory.mktemp("profile"))
    yield chromium
    chromium.close()


@pytest.fixture
def shown(browser, tmp_path):
    """Open the page of a graph."""

    def show(graph, fragment="", given=(), source=None, **look):
        path = explore(graph, given=given, source=source).save(tmp_path / "page.html")
        browser.open(path, fragment, **look)
        assert browser.complaints() == []
        return browser

    return show


def random_dag(r: random.Random, count: int, density: float) -> nx.DiGraph:
    names = [f"v{i}" for i in range(count)]
    graph = nx.DiGraph()
    graph.add_nodes_from(r.sample(names, count))
    graph.add_edges_from(edge for edge in itertools.combinations(names, 2) if r.random() < density)
    for name in names:
        kinds = [SiteKind.LATENT] * 6 + [SiteKind.OBSERVED, SiteKind.PARAM, SiteKind.DETERMINISTIC]
        kinds += [] if graph.out_degree(name) else [SiteKind.FACTOR]
        graph.nodes[name]["site"] = Site(name, r.choice(kinds))
    return graph


def from_model(name: str) -> nx.DiGraph:
    spec = importlib.util.spec_from_file_location(name, MODELS / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return pdl.graph(module.model())


def from_program(name: str) -> nx.DiGraph:
    case = CASES[name]()
    return pdl.graph(pdl.Model(case["model"], *case["args"], **case["kwargs"]))


def from_template(seed: int) -> nx.DiGraph | None:
    template = random_template(random.Random(seed), exotic=seed % 2 == 0)
    return template.graph() if nx.is_directed_acyclic_graph(template.ground()) else None


def all_graphs():
    r = random.Random(0)
    yield from (random_dag(r, r.randint(2, 12), r.uniform(0.1, 0.5)) for _ in range(20))
    yield from map(from_model, ("eight_schools", "nile", "item_response", "hierarchical_regression"))
    yield from map(from_program, PROGRAMS)
    yield from itertools.islice(filter(None, map(from_template, range(100))), 30)


def random_query(r: random.Random, count: int):
    source, target = r.sample(range(count), 2)
    given = [i for i in range(count) if i not in (source, target) and r.random() < 0.35]
    return source, target, given


def sites(graph, names):
    return {find_region(graph, name, "test").node for name in names}


def check(graph, query, answer):
    nodes = list(graph)
    x, y, given = nodes[query[0]], nodes[query[1]], [nodes[i] for i in query[2]]

    def named(numbers):
        return {nodes[i] for i in numbers}

    connected = sites(graph, d_connected(graph, x, given))
    assert named(answer["connected"]) == connected
    fixed = {SiteKind.FACTOR, SiteKind.PARAM, SiteKind.INTERVENED}
    free = {node for node in nodes if graph.nodes[node]["site"].kind not in fixed}
    assert named(answer["separated"]) == free - connected - {x, *given}

    dag = ground(graph, x, given, where="test", reach=Reach.ALL)
    closed = dag.given(1)
    reached = reachable(dag.parents, dag.children, dag.asked[0], closed)
    edges = {edge for edge, flag in zip(graph.edges, answer["open"], strict=True) if flag}
    assert edges == open_edges(dag, homes_in(graph, dag), dag.asked[0], closed, reached)
    assert named(answer["blanket"]) == sites(graph, markov_blanket(graph, x))

    path = active_path(graph, x, y, given)
    assert (answer["path"] is None) == (path is None) == d_separated(graph, x, y, given)
    if path is not None:
        assert answer["path"][0] == len(path.nodes)
        start, end = answer["ends"]
        assert (sites(graph, [start]), sites(graph, [end])) == ({x}, {y})
        shortest = active_path(graph, start, end, given)
        assert shortest is not None
        assert len(shortest.nodes) == len(path.nodes)
        assert answer["separator"] is None
    else:
        separator = named(answer["separator"])
        assert separator <= set(given)
        assert d_separated(graph, x, y, separator)
        assert not any(d_separated(graph, x, y, separator - {z}) for z in separator)

    assert answer["isValid"] == is_backdoor_set(graph, x, y, given)
    if answer["minimal"] is not None:
        minimal = named(answer["minimal"])
        assert is_backdoor_set(graph, x, y, minimal)
        assert not any(is_backdoor_set(graph, x, y, minimal - {z}) for z in minimal)
    elif not graph.graph.get("plates") and not graph.graph.get("scans"):
        assert next(backdoor_sets(graph, x, y), None) is None


def test_the_page_answers_a_thousand_questions_as_python_does(shown):
    asked = paths = 0
    for number, graph in enumerate(all_graphs()):
        r = random.Random(number)
        queries = [random_query(r, len(graph)) for _ in range(24)]
        answers = shown(graph).run(QUERY % json.dumps(queries))
        for query, answer in zip(queries, answers, strict=True):
            check(graph, query, answer)
        asked += len(queries)
        paths += sum(answer["path"] is not None for answer in answers)
    assert asked >= 1000
    assert asked // 4 < paths < asked


def sprinkler() -> nx.DiGraph:
    graph = nx.DiGraph([("season", "rain"), ("season", "sprinkler")])
    graph.add_edges_from([("rain", "wet"), ("sprinkler", "wet"), ("wet", "slippery")])
    for node in graph:
        graph.nodes[node]["site"] = Site(node, SiteKind.OBSERVED if node == "wet" else SiteKind.LATENT)
    return graph


def state(browser):
    sites = browser.run("[explorer.state.source, explorer.state.target, ...explorer.state.given]")
    names = browser.run("explorer.data.names")
    return [names[site] for site in sites if site >= 0]


def text(browser, selector):
    return browser.run(f"document.querySelector('{selector}').textContent")


def centre(browser, site):
    number = browser.run("explorer.data.names").index(site)
    box = f"document.querySelector('[data-node=\"{number}\"] .body').getBoundingClientRect()"
    return browser.run(f"(box => [box.x + box.width / 2, box.y + box.height / 2])({box})")


def classes(browser, site):
    number = browser.run("explorer.data.names").index(site)
    code = f"document.querySelector('[data-node=\"{number}\"]').classList.value"
    return set(browser.run(code).split()) - {"node", "latent", "observed"}


def test_clicks_ask_give_and_release(shown):
    page = shown(sprinkler())
    assert text(page, "#statement") == "Choose a site to see what it may depend on. Nothing is given yet."
    page.click(*centre(page, "rain"))
    assert (
        text(page, "#statement") == "Given nothing, rain may depend on season, sprinkler, wet and slippery."
    )
    assert classes(page, "rain") == {"source"}
    assert classes(page, "sprinkler") == {"connected", "blanket"}
    page.click(*centre(page, "season"), modifiers=SHIFT)
    assert text(page, "#statement") == (
        "Given season, rain may depend on wet and slippery; it is independent of sprinkler."
    )
    assert classes(page, "season") == {"given", "blanket"}
    assert classes(page, "sprinkler") == {"separated", "blanket"}
    page.click(*centre(page, "sprinkler"))
    assert text(page, "#relation") == "rain and sprinkler are separated by season."
    assert classes(page, "season") == {"given", "blanket", "separates"}
    page.click(*centre(page, "slippery"), button="right")
    assert text(page, "#relation") == "rain and sprinkler are joined by an open path: rain → wet ← sprinkler."
    assert (
        text(page, "#path ul")
        == "wet: collider, open since its descendant slippery is given (wet → slippery)"
    )
    assert text(page, "#code code") == (
        'pdl.d_connected(graph, "rain", given=["season", "slippery"])\n'
        'pdl.active_path(graph, "rain", "sprinkler", given=["season", "slippery"])'
    )
    page.click(*centre(page, "slippery"))
    assert state(page) == ["rain", "sprinkler", "season"]
    page.click(*centre(page, "rain"))
    assert state(page) == ["season"]
    assert not page.run("document.querySelector('.open.edge, .connected.node, .blanket.node') !== null")


def test_what_the_panel_offers(shown):
    page = shown(sprinkler(), source="rain")
    press = "[...document.querySelectorAll('button')].find(button => button.textContent === '%s').click()"
    assert text(page, "#blanket p") == "season, sprinkler and wet"
    assert text(page, ".formula").startswith("p(season, rain, sprinkler, wet, slippery) = p(season)")
    page.run(press % "Condition on observed sites")
    assert state(page) == ["rain", "wet"]
    page.click(*centre(page, "slippery"))
    assert text(page, ".minimal") == "A minimal set for rain → slippery: season."
    assert "wet descends from rain" in text(page, ".verdict")
    page.run(press % "Swap")
    assert state(page) == ["slippery", "rain", "wet"]
    page.run(press % "Condition on rain")
    assert state(page) == ["slippery", "wet", "rain"]
    page.run("document.querySelector('#independencies button').click()")
    assert state(page) == ["rain", "sprinkler", "season"]
    page.run(press % "Clear")
    assert state(page) == []
    assert page.run("getSelection().isCollapsed")


def test_keys_move_ask_give_and_clear(shown):
    page = shown(sprinkler())
    focused = "document.activeElement.getAttribute('aria-label')"
    page.press("Tab")
    assert page.run("document.activeElement.textContent") == "Skip the graph"
    page.press("Tab")
    assert page.run(focused) == "season, latent: not given"
    page.press("Enter")
    left, right = sorted(("rain", "sprinkler"), key=lambda site: centre(page, site))
    page.press("ArrowDown")
    page.press("ArrowLeft")
    assert page.run(focused) == f"{left}, latent: may depend on season, in its Markov blanket"
    assert page.run("getComputedStyle(document.activeElement.querySelector('.focus')).stroke") != "none"
    page.press(" ")
    page.press("ArrowRight")
    page.press("g")
    assert state(page) == ["season", left, right]
    assert text(page, "#statement") == (
        "Given rain and sprinkler, season depends on nothing else; it is independent of wet and slippery."
    )
    page.press("ArrowDown")
    page.press("Enter")
    assert text(page, "#relation") == "season and wet are separated by rain and sprinkler."
    assert page.run(focused) == "wet, observed: independent of season, asked about"
    page.press("Escape")
    assert state(page) == [left, right]
    page.press("Escape")
    assert state(page) == []


def test_a_phone_shows_all_and_a_finger_asks_and_holds(shown):
    page = shown(sprinkler(), width=360, height=740, is_touch=True)
    assert page.run("document.documentElement.scrollWidth") == 360
    assert page.run("document.querySelector('.panel').getBoundingClientRect().top") > page.run(
        "document.querySelector('.frame').getBoundingClientRect().bottom"
    )
    page.tap(*centre(page, "rain"))
    assert state(page) == ["rain"]
    page.tap(*centre(page, "wet"), seconds=0.7)
    assert state(page) == ["rain", "wet"]
    page.tap(*centre(page, "wet"))
    assert state(page) == ["rain"]
    small = "[...document.querySelectorAll('.node')].filter(n => n.getBoundingClientRect().width < 32).length"
    assert page.run(small) == 0


def test_a_link_keeps_the_question(shown):
    odd = "a&b=</script> é"
    graph = nx.DiGraph([(odd, "x"), (odd, "y"), ("y", "z")])
    page = shown(graph)
    page.run(f"(i => document.querySelectorAll('.node')[i].dispatchEvent(new MouseEvent('click')))({0})")
    page.click(*centre(page, "z"))
    page.click(*centre(page, "y"), modifiers=SHIFT)
    fragment = page.run("location.hash")
    page = shown(graph, fragment)
    assert state(page) == [odd, "z", "y"]
    page = shown(graph, "#source=x&given=nothing")
    assert state(page) == ["x"]
    assert text(page, "#relation") == "The link names sites that this graph does not have."


def test_names_are_never_markup(shown):
    names = ["</script><b>", '"q"', "<img src=x onerror=alert(1)>", "日本語", "&amp;"]
    page = shown(nx.DiGraph(itertools.combinations(names, 2)), source=names[0], given=[names[1]])
    assert page.run("document.querySelectorAll('b, img').length") == 0
    assert page.run("explorer.data.names") == names
    assert (
        text(page, "#statement")
        == f"Given {names[1]}, {names[0]} may depend on {', '.join(names[2:4])} and &amp;."
    )
    assert len(page.requests()) == 1
    page.run("document.body.append(Object.assign(new Image(), { src: 'https://example.org/x.png' }))")
    page.run("new Promise(done => setTimeout(done, 200))")
    assert [event["entry"]["level"] for event in page.complaints()] == ["error"]


def test_fixed_sites_are_always_given(shown):
    page = shown(from_program("factor"))
    page.click(*centre(page, "f"), modifiers=SHIFT)
    assert text(page, "#relation") == "f is fixed: it is always given."
    page.click(*centre(page, "a"))
    assert text(page, "#statement") == "Given nothing, a may depend on b."
    assert "always: f" in text(page, "#given")


def test_an_inline_page_works_without_an_address(browser, tmp_path):
    frame = explore(sprinkler(), source="rain")._repr_html_()
    page = tmp_path / "notebook.html"
    page.write_text(f"<!doctype html><meta charset=utf-8><title>Notebook</title>{frame}", encoding="utf-8")
    browser.open(page)
    browser.run("new Promise(done => setTimeout(done, 500))")
    before = browser.picture()
    browser.click(100, 100)
    browser.click(*browser.run("[innerWidth * 0.3, 250]"))
    assert browser.complaints() == []
    assert len(before) > 10_000


def test_two_hundred_nodes_are_answered_as_by_python(shown):
    r = random.Random(1)
    graph = nx.DiGraph()
    for i in range(200):
        graph.add_node(f"v{i}", site=Site(f"v{i}", SiteKind.LATENT))
        parents = r.sample(range(max(0, i - 25), i), min(i, r.choice([1, 2, 3])))
        graph.add_edges_from((f"v{j}", f"v{i}") for j in parents)
    queries = [(*r.sample(range(200), 2), []) for _ in range(5)]
    for query in queries:
        query[2].extend({*r.sample(range(200), 20)} - {*query[:2]})
    for query, answer in zip(queries, shown(graph).run(QUERY % json.dumps(queries)), strict=True):
        check(graph, query, answer)
