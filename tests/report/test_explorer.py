import base64
import hashlib
import json
import re
from html import unescape
from html.parser import HTMLParser
from importlib.resources import files

import networkx as nx
import pytest

from probdl.errors import CyclicGraph, SiteNotFound
from probdl.program.sites import Site, SiteKind
from probdl.report.explorer import Explorer, explore
from probdl.report.page import unique_names

EVIL = [
    "</script><b>",
    '"quoted"',
    "it's",
    "<img src=x onerror=alert(1)>",
    "ünï 日本語",
    "{{data}}",
    "a\nb",
    "\u2028",
]
NAMESPACE = "http://www.w3.org/2000/svg"
VOID = {"meta", "link"}


def eight_schools() -> nx.DiGraph:
    graph = nx.DiGraph(plates={"school": 8})
    for name in ("mu", "tau"):
        graph.add_node(name, site=Site(name, SiteKind.LATENT))
    for name, kind in (("theta", SiteKind.LATENT), ("y", SiteKind.OBSERVED)):
        graph.add_node(name, site=Site(name, kind, (8,), plates=("school",), axes=(("school", 0),)))
    graph.add_edges_from([("mu", "theta"), ("tau", "theta"), ("theta", "y")])
    return graph


def chain(steps: int) -> nx.DiGraph:
    graph = nx.DiGraph(scans={"time": steps})
    graph.add_node("x", site=Site("x", SiteKind.LATENT, (steps,), scan="time", axes=(("time", 0),)))
    graph.add_edge("x", "x", shifted={"time": (-1,)})
    return graph


def data_of(explorer: Explorer) -> dict:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', explorer.html, re.DOTALL)
    assert found
    return json.loads(found[1])


class Tags(HTMLParser):
    """Check that each tag that opens closes."""

    def __init__(self, page):
        super().__init__()
        self.open, self.seen, self.loads = [], [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self.loads += [value for name, value in attrs if name in ("src", "href", "action", "data", "style")]
        assert not any(name.startswith("on") for name, _ in attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def graphs():
    return {
        "empty": nx.DiGraph(),
        "one": nx.DiGraph({"x": {}}),
        "bare": nx.gn_graph(30, seed=0).reverse(),
        "plated": eight_schools(),
        "evil": nx.DiGraph([(EVIL[0], name) for name in EVIL[1:]]),
        "odd": nx.DiGraph([(1, "1"), ((3, "x"), None.__class__)]),
    }


@pytest.mark.parametrize("name", graphs())
def test_the_page_is_well_formed_and_loads_nothing(name):
    page = explore(graphs()[name]).html
    tags = Tags(page)
    assert tags.open == []
    assert tags.seen.count("script") == 2
    assert set(tags.loads) == {"#answer", "data:,"}
    assert set(re.findall(r"\w+://[^\"'\s]*", page)) <= {NAMESPACE}
    script = page[page.rindex("<script") :]
    for word in (
        "fetch",
        "eval",
        "innerHTML",
        "XMLHttpRequest",
        "import ",
        "export ",
        "document.write",
        "WebSocket",
    ):
        assert word not in script


def test_the_policy_allows_this_script_and_style_and_nothing_else():
    page = explore(eight_schools()).html
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy
    assert policy[1].startswith("default-src 'none'; ")
    for tag, opening in (("style", "<style>"), ("script", '<script type="module">')):
        text = page.split(opening)[1].split(f"</{tag}>")[0]
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy[1]


def test_names_come_through_unharmed_whatever_they_are():
    graph = nx.DiGraph([(EVIL[0], name) for name in EVIL[1:]])
    data = data_of(explore(graph, given=EVIL[1], source=EVIL[0]))
    assert data["names"] == [name.replace("\n", "\\n").replace("\u2028", "\\u2028") for name in EVIL]
    assert [json.loads(code) for code in data["codes"]] == EVIL
    assert (data["source"], data["given"]) == (0, [1])


def test_no_two_nodes_have_one_name():
    assert unique_names(nx.DiGraph([(1, "1"), ("1 (2)", 1)])) == ["1", "1 (2)", "1 (2) (2)"]


def test_what_the_page_knows():
    data = data_of(explore(eight_schools(), given=["y"], source="mu"))
    assert data["kinds"] == ["latent", "latent", "latent", "observed"]
    assert data["observed"] == data["given"] == [3]
    assert data["source"] == 0
    assert data["starts"] == [0, 1, 2, 3, 4]
    assert data["edges"] == [0, 2, 1, 2, 2, 3]
    assert data["boxes"] == [{"kind": "plate", "label": "school = 8", "members": [2, 3]}]
    assert data["factorization"].startswith("p(mu, tau, theta, y) = p(mu) p(tau)")
    assert ["mu ⫫ tau", 0, 1, []] in data["independencies"]
    assert ["theta[0] ⫫ theta[1] | mu, tau"] in data["independencies"]


def test_a_page_of_a_long_scan_is_short():
    explorer = explore(chain(50_000))
    assert len(explorer.html) < 65_000
    assert data_of(explorer)["runs"] == [0, 1, 1, 1, 49_999]


@pytest.mark.slow
def test_a_page_refuses_what_would_lag():
    with pytest.raises(
        ValueError, match=r"got 200,000 elements .* Explore the graph of a model of a shorter"
    ):
        explore(chain(200_000))


def test_save_writes_the_page(tmp_path):
    explorer = explore(eight_schools())
    path = explorer.save(tmp_path / "new" / "schools.html")
    assert path.read_text(encoding="utf-8") == explorer.html
    with pytest.raises(
        ValueError, match=r"ending in .html; got 'schools.svg'. Write for example 'schools.html'."
    ):
        explorer.save(tmp_path / "schools.svg")


def test_a_notebook_shows_the_page_in_a_frame():
    explorer = explore(nx.DiGraph([('"', "</iframe>")]))
    frame = explorer._repr_html_()
    found = re.fullmatch(r'<iframe srcdoc="([^"]*)" [^<>]*></iframe>', frame)
    assert found
    assert unescape(found[1]) == explorer.html
    assert 'sandbox="allow-scripts"' in frame
    assert str(explorer) == 'Explorer of 2 sites; .save("explorer.html") writes the page.'
    assert repr(explorer) == "Explorer(sites=2)"


def test_errors_name_the_remedy():
    graph = eight_schools()
    with pytest.raises(SiteNotFound, match="in explore; got 'thta'. Did you mean 'theta'?"):
        explore(graph, source="thta")
    with pytest.raises(ValueError, match=r"got the element 'theta\[3\]'. Write 'theta', or ask d_connected"):
        explore(graph, given=["theta[3]"])
    with pytest.raises(ValueError, match="Expected disjoint sets in explore; got 'mu'"):
        explore(graph, given=["mu"], source="mu")
    with pytest.raises(CyclicGraph, match="a -> b -> a|b -> a -> b"):
        explore(nx.DiGraph([("a", "b"), ("b", "a")]))
    with pytest.raises(
        TypeError, match=r"Expected a networkx.DiGraph in explore; got str. Write graph\(model\)"
    ):
        explore("model")  # pyright: ignore[reportArgumentType]


def colours(scheme):
    css = (files("probdl.report") / "web" / "page.css").read_text(encoding="utf-8")
    light, dark = css.split("@media (prefers-color-scheme: dark)", 1)
    found = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", light))
    return found if scheme == "light" else found | dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", dark))


def contrast(a, b):
    def luminance(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_signs_stand_out_from_what_is_behind(scheme):
    c = colours(scheme)
    letters = [
        ("ink", "page"),
        ("ink", "surface"),
        ("soft", "page"),
        ("soft", "surface"),
        ("on-warm", "warm"),
    ]
    letters += [
        ("on-given", "given"),
        ("ink", "shade"),
        ("ink", "warm-tint"),
        ("ink", "cool-tint"),
        ("warm", "page"),
    ]
    for text, behind in letters:
        assert contrast(c[text], c[behind]) >= 4.5, (text, behind)
    for sign in ("warm", "cool", "violet", "edge", "focus", "given"):
        assert contrast(c[sign], c["surface"]) >= 3.0, sign
