"""Alarm: what is wrong with an anaesthetised patient, from the monitors, as a Bayesian network.

37 variables, each with a table of probabilities given its parents: 8 diagnoses such as heart failure, loss of
blood (HYPOVOLEMIA) or a tube in the wrong place, 16 measurements, and 13 variables between them.

The monitors show a fast pulse, a low blood pressure, and low pressures before both halves of the heart (CVP,
PCWP). Then p(LVFAILURE = TRUE) = 0.701, which was 0.05: the left half of the heart fails.

Source: Bishop & Bishop (2023), §11.1 (directed graphs). Beinlich, Suermondt, Chavez & Cooper, The ALARM
monitoring system, Proceedings of the 2nd European Conference on Artificial Intelligence in Medicine (1989),
247-256. Data: the Bayesian network repository, as packaged by pgmpy.
"""

from importlib.resources import files

import numpy as np

import probdl as pdl

MONITORS = {"HRBP": "HIGH", "HREKG": "HIGH", "BP": "LOW", "CVP": "LOW", "PCWP": "LOW"}

program = pdl.tabulate(pdl.read_bif(str(files("pgmpy") / "utils/example_models/alarm.bif.gz")))


def data() -> dict[str, dict[str, np.ndarray]]:
    """Return the table of each variable; its axes are the parents and then the variable itself."""
    return {"tables": dict(program.tables)}


def model() -> pdl.Model:
    """Return the program with its tables and what the monitors show."""
    return pdl.Model(program, **data()).condition(**program.codes(**MONITORS))
