import subprocess
import sys
import xml.etree.ElementTree as ET

import networkx as nx
import pytest

from probdl.program.sites import Site, SiteKind
from probdl.report import render
from probdl.report.draw import draw


def eight_schools() -> nx.DiGraph:
    graph = nx.DiGraph([("mu", "theta"), ("tau", "theta"), ("theta", "y")], plates={"school": 8})
    for name in ("theta", "y"):
        graph.nodes[name]["site"] = Site(name, SiteKind.LATENT, plates=("school",))
    return graph


def crossed() -> nx.DiGraph:
    graph = nx.DiGraph([("th", "y"), ("d", "y")], plates={"S": 400, "Q": 20})
    graph.add_node("th", site=Site("th", SiteKind.LATENT, plates=("S",)))
    graph.add_node("d", site=Site("d", SiteKind.LATENT, plates=("Q",)))
    graph.add_node("y", site=Site("y", SiteKind.OBSERVED, plates=("S", "Q")))
    return graph


@pytest.mark.parametrize("suffix", ["svg", "png", "pdf", "dot", "SVG"])
@pytest.mark.parametrize("make", [eight_schools, crossed])
def test_save_writes_what_the_suffix_says(tmp_path, make, suffix):
    path = draw(make()).save(tmp_path / "new" / f"graph.{suffix}")
    start = {"svg": b"<svg", "png": b"\x89PNG", "pdf": b"%PDF", "dot": (b"digraph", b"//")}[suffix.lower()]
    assert path.read_bytes().startswith(start)


@pytest.mark.parametrize("name", ["graph.jpg", "graph", ".svg"])
def test_save_refuses_other_suffixes(tmp_path, name):
    with pytest.raises(ValueError, match=r"Expected a file name ending in .svg, .png, .pdf or .dot; got '"):
        draw(eight_schools()).save(tmp_path / name)


def test_without_graphviz_a_notebook_shows_text(monkeypatch, tmp_path):
    monkeypatch.setattr(render.shutil, "which", lambda *_, **__: None)
    drawing = draw(eight_schools())
    bundle = drawing._repr_mimebundle_()
    assert list(bundle) == ["text/plain"]
    assert bundle["text/plain"].startswith(str(drawing))
    assert "got neither `dot` nor `graphviz-pure`" in bundle["text/plain"]
    with pytest.raises(render.NoRenderer, match="Run `uv pip install graphviz-pure`"):
        drawing.save(tmp_path / "graph.svg")
    assert drawing.save(tmp_path / "graph.dot").exists()


def test_dot_is_preferred_where_there_is_one(monkeypatch):
    asked = []
    pure = render.pure_program()

    def pipe(engine, output, data, **_):
        asked.append((engine, output))
        return render._by_pure(data.decode(), pure or "")

    monkeypatch.setattr(render.shutil, "which", lambda name, **_: f"/bin/{name}")
    monkeypatch.setattr("graphviz.pipe", pipe)
    assert "image/svg+xml" in draw(eight_schools())._repr_mimebundle_()
    assert asked == [("dot", "json0")]


def test_a_failing_program_is_no_traceback_in_a_notebook(monkeypatch):
    monkeypatch.setattr(render, "_by_pure", lambda *_: b"no json")
    monkeypatch.setattr(render.shutil, "which", lambda name, **_: name if name != "dot" else None)
    assert list(draw(eight_schools())._repr_mimebundle_()) == ["text/plain"]


def test_the_source_is_what_graphviz_reads():
    program = render.pure_program()
    assert program is not None
    for make, options in ((eight_schools, ["-Tsvg"]), (crossed, ["-Kneato", "-n2", "-Tsvg"])):
        source = draw(make()).source.encode()
        done = subprocess.run([program, *options], input=source, capture_output=True, check=True)
        assert done.stdout.count(b'class="node"') >= len(make())
        assert done.stdout.count(b'class="edge"') == make().number_of_edges()


def test_graphviz_itself_shows_the_letters_of_odd_names():
    names = ["<b>", "a:b", '"q"', "x\\N", "&amp;", "a\\nb"]
    source = draw(nx.DiGraph([("root", name) for name in names])).source
    done = subprocess.run(
        [render.pure_program() or "", "-Tsvg"], input=source.encode(), capture_output=True, check=True
    )
    shown = [
        "".join(text.itertext())
        for text in ET.fromstring(done.stdout).iter("{http://www.w3.org/2000/svg}text")
    ]
    assert set(names) <= set(shown)


def test_importing_draw_is_cheap():
    code = "import sys; import probdl.report.draw; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"graphviz", "networkx", "matplotlib", "jax", "numpyro"} & set(loaded)
