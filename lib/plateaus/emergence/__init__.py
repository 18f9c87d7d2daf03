"""Part II: emergence and scaling laws in SGD learning of shallow networks."""

from plateaus.emergence.activation import Activation
from plateaus.emergence.fit import PowerLaw, fit_power_law
from plateaus.emergence.flow import FlowRun, flow
from plateaus.emergence.greedy import Greedy, critical_eta, greedy
from plateaus.emergence.hermite import expand, hermite, information_exponent
from plateaus.emergence.model import Student, Teacher
from plateaus.emergence.population import population_gradient, population_loss, second_layer
from plateaus.emergence.scaling import (
    Exponents,
    Frontier,
    Regime,
    exponents,
    frontier,
    tail,
)
from plateaus.emergence.sgd import Diverged, SGDRun, online_sgd

__all__ = [
    "Activation",
    "Diverged",
    "Exponents",
    "FlowRun",
    "Frontier",
    "Greedy",
    "PowerLaw",
    "Regime",
    "SGDRun",
    "Student",
    "Teacher",
    "critical_eta",
    "expand",
    "exponents",
    "fit_power_law",
    "flow",
    "frontier",
    "greedy",
    "hermite",
    "information_exponent",
    "online_sgd",
    "population_gradient",
    "population_loss",
    "second_layer",
    "tail",
]
