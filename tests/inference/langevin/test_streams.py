"""Minibatches from a stream: each is used once, in order, and the posterior is that of all rows."""

import numpy as np
import pytest

import probdl as pdl
from probdl.inference.langevin.minibatches import Batch, Prepared
from probdl.inference.langevin.streams import Reader, Streamed
from tests.inference.langevin.programs import Y, batches, floored_heights, streamed_heights, undefined_heights
from tests.inference.mcmc.agreement import agrees

MODEL = pdl.Model(streamed_heights, next(batches())[1]["y"])
SHORT = {"num_samples": 30, "num_warmup": 20, "num_chains": 2}


def numbered(stop):
    """Yield batches whose rows say which one it is."""
    for i in range(stop):
        yield (np.arange(6) + i) % len(Y), {"y": np.full(6, float(i))}


def streamed(batches, num_chains=2, thinning=3, buffer=256):
    reader = Reader.of(pdl.Stream("N", batches, buffer), MODEL, pdl.Precision.DOUBLE)
    arrays = MODEL.arrays(pdl.Precision.DOUBLE)
    data = (arrays.leaves, arrays.observed, arrays.held, arrays.centring)
    none = Prepared(*data, map=None, center=0, log_density=0, gradient=0, batches=Batch({}, {}))
    return Streamed(reader, none, num_chains, thinning)


def test_each_move_of_each_chain_has_a_batch_of_its_own_in_order():
    feed = streamed(lambda: numbered(1000))
    assert feed.most_steps == 256 // 6
    first, second, back = (feed.chunk(begin, count) for begin, count in ((0, 4), (4, 2), (1, 1)))
    for chunk, begin, count in ((first, 0, 12), (second, 12, 6), (back, 3, 3)):
        (y,) = chunk.batches.leaves.values()
        assert y.shape == (42 * 3, 2, 6)
        expected = 2 * begin + np.arange(2 * count).reshape(count, 2)
        np.testing.assert_array_equal(y[:count, :, 0], expected)
        assert chunk.first == begin


def test_a_stream_begins_again_at_its_end():
    (y,) = streamed(lambda: numbered(5), thinning=1).chunk(0, 6).batches.leaves.values()
    np.testing.assert_array_equal(y[:6, :, 0].reshape(-1), np.arange(12) % 5)


@pytest.mark.slow
@pytest.mark.parametrize("method", [pdl.SGLD, pdl.SGHMC])
def test_the_posterior_is_that_of_all_rows(method):
    stream = pdl.Stream("N", lambda: batches())
    result = pdl.infer(MODEL, method(stream=stream, step_size=0.1, thinning=10), key=2)
    precision = 1 / 4 + len(Y)
    mean = (1 / 4 + Y.sum()) / precision
    mu = result["mu"].to_numpy()
    assert agrees(mu, mean)
    assert agrees((mu - mean) ** 2, 1 / precision, number=5)


@pytest.mark.slow
def test_draws_do_not_depend_on_the_buffer():
    few, many = (
        pdl.infer(MODEL, pdl.SGLD(stream=pdl.Stream("N", lambda: batches(), buffer), **SHORT), key=2)["mu"]
        for buffer in (8, 256)
    )
    np.testing.assert_array_equal(few, many)


@pytest.mark.slow
def test_what_is_wrong_with_a_program_is_said_as_without_a_stream():
    def run(program):
        method = pdl.SGLD(stream=pdl.Stream("N", batches), **SHORT)
        pdl.infer(pdl.Model(program, *MODEL.args), method, key=0, progress=False)

    with pytest.raises(pdl.NotApplicable, match="no gradient: the program has a loop"):
        run(floored_heights)
    with pytest.raises(ValueError, match="site 'y'"):
        run(undefined_heights)


def wrong(change):
    """Return a stream whose second batch is changed."""

    def found():
        yield from batches()
        rows, arrays = next(batches())
        yield change(rows, arrays["y"])

    return lambda: found()


MISTAKES = {
    "few rows": (lambda rows, y: (rows[:5], {"y": y}), r"numbers of 6 rows .* got int64 of shape \(5,\)"),
    "real rows": (lambda rows, y: (rows * 1.0, {"y": y}), "numbers of 6 rows .* got float64"),
    "rows beyond": (lambda rows, y: (rows + 24, {"y": y}), "rows of plate 'N' between 0 and 23; got"),
    "no argument": (lambda rows, y: (rows, {}), r"Expected 'y' in each batch, .* got \[\]"),
    "wrong shape": (lambda rows, y: (rows, {"y": y[:5]}), r"'y' of shape \(6,\) in each batch; got \(5,\)"),
    "no number": (lambda rows, y: (rows, {"y": y * np.nan}), "finite values of 'y' in each batch; got nan"),
}


@pytest.mark.parametrize(("change", "message"), MISTAKES.values(), ids=MISTAKES)
def test_batches_are_checked(change, message):
    with pytest.raises(ValueError, match=message):
        streamed(wrong(change)).chunk(0, 4)


def test_a_stream_that_does_not_fit_is_refused():
    def run(stream, model=MODEL):
        pdl.infer(model, pdl.SGLD(stream=stream, **SHORT), key=0, progress=False)

    with pytest.raises(ValueError, match="Expected a stream of batches; got none"):
        run(pdl.Stream("N", []))
    with pytest.raises(pdl.SiteNotFound, match="a plate in the stream; got 'M'. Known: N"):
        run(pdl.Stream("M", batches))
    with pytest.raises(pdl.SiteNotFound, match="'z'"):
        run(pdl.Stream("N", lambda: iter([(np.arange(6), {"z": Y[:6]})])))
    with pytest.raises(ValueError, match=r"each of the 24 rows of plate 'N' once .* got 6 of them"):
        run(pdl.Stream("N", lambda: iter([(np.arange(6), {"y": Y[:6]})])))
    with pytest.raises(ValueError, match="Expected plate 'N' to be subsampled; got all"):
        run(pdl.Stream("N", lambda: iter([(np.arange(24), {"y": Y})])), pdl.Model(streamed_heights, Y))
    with pytest.raises(ValueError, match="Expected more batches of the stream; got none"):
        streamed(iter(list(batches()))).chunk(0, 40)
