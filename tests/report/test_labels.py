import pytest

from probdl.report.labels import Script, lag_line, typeset, verbatim


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("theta", "θ"),
        ("mu_school", "μ_school"),
        ("sigma2", "σ_2"),
        ("alpha_0", "α_0"),
        ("x_obs", "x_obs"),
        ("Sigma", "Σ"),
        ("lambda_", "λ"),
        ("tau_a_b", "τ_a_,_b"),
        ("sigma_mu", "σ_μ"),
        ("z[3,1]", "z_3_,_1"),
        ("log_sigma", "log σ"),
        ("intercept", "intercept"),
        ("<b>", "<b>"),
        ("_x", "_x"),
        ("a\nb", "a\\nb"),
        (7, "7"),
    ],
)
def test_names_are_typeset(name, written):
    assert str(typeset(name)) == written


def test_variables_are_italic_and_words_upright():
    ((head, tail),) = typeset("x_obs").lines
    assert (head.is_italic, head.script) == (True, Script.NORMAL)
    assert (tail.is_italic, tail.script) == (False, Script.SUB)
    assert not typeset("intercept").lines[0][0].is_italic


@pytest.mark.parametrize("name", ["a" * 90, "deep/very.long-name_with:many parts" * 3, "x", "日本語" * 20])
def test_long_names_are_broken_and_keep_every_letter(name):
    lines = ["".join(run.text for run in line) for line in verbatim(name).lines]
    assert "".join(lines) == name
    assert max(map(len, lines)) <= 14


def test_letters_of_a_lag_are_italic():
    assert [run.is_italic for run in lag_line("t−1, time−2")] == [True, False, False, False]
