"""Asia: shortness of breath from tuberculosis, lung cancer or bronchitis, as a Bayesian network.

Eight variables, yes or no, each with a table of probabilities given its parents:

    asia -> tub                 a visit to Asia, tuberculosis
    smoke -> lung, bronc        smoking, lung cancer, bronchitis
    tub, lung -> either         one of the two
    either -> xray              an X-ray that shows something
    either, bronc -> dysp       shortness of breath

A patient who was in Asia is short of breath: p(tub) = 0.088, p(lung) = 0.100 and p(bronc) = 0.811, and from
the visit alone they would be 0.05, 0.055 and 0.45. Two common effects, `either` and `dysp`, let causes
compete: tuberculosis, of which smoking told nothing, has 0.073 in a patient who smokes and 0.113 in one who
does not.

Source: Bishop & Bishop (2023), §11.1 and §11.2 (graphs, explaining away). Lauritzen & Spiegelhalter, Local
computations with probabilities on graphical structures, Journal of the Royal Statistical Society B 50 (1988),
157-224. Data: the Bayesian network repository, as packaged by pgmpy.
"""

from importlib.resources import files

import numpy as np

import probdl as pdl

program = pdl.tabulate(pdl.read_bif(str(files("pgmpy") / "utils/example_models/asia.bif.gz")))


def data() -> dict[str, dict[str, np.ndarray]]:
    """Return the table of each variable; its axes are the parents and then the variable itself."""
    return {"tables": dict(program.tables)}


def model() -> pdl.Model:
    """Return the program with its tables and what is known of the patient."""
    return pdl.Model(program, **data()).condition(**program.codes(asia="yes", dysp="yes"))
