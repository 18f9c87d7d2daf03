import math

import numpy as np
import pytest
import sympy as sp
import torch
from numpy.polynomial.hermite_e import hermegauss

from plateaus.emergence import Activation

x = sp.Symbol("x")


def test_h4_is_written_out():
    z = torch.linspace(-3, 3, 13, dtype=torch.float64)
    h4 = Activation.hermite(4)
    torch.testing.assert_close(h4(z), (z**4 - 6 * z**2 + 3) / math.sqrt(24))
    torch.testing.assert_close(h4.derivative(z), (4 * z**3 - 12 * z) / math.sqrt(24))


@pytest.mark.parametrize("coefficients", [(2.0,), (0.0, 1.0), (0.5, -1.0, 0.0, 2.0, 0.1, 0.3)])
def test_the_derivative_is_that_of_autograd(coefficients):
    sigma = Activation(coefficients)
    z = torch.linspace(-2, 2, 9, dtype=torch.float64, requires_grad=True)
    y = sigma(z)
    (slope,) = torch.autograd.grad(y.sum(), z) if y.requires_grad else (torch.zeros_like(z),)
    torch.testing.assert_close(sigma.derivative(z.detach()), slope)


def test_the_basis_is_orthonormal():
    nodes, weights = hermegauss(12)
    z = torch.tensor(nodes)
    H = torch.stack([Activation.hermite(k)(z) for k in range(6)])
    gram = H * torch.tensor(weights / weights.sum()) @ H.T
    torch.testing.assert_close(gram, torch.eye(6, dtype=torch.float64))


def test_from_sympy_gives_a_polynomial_back_and_relu_its_coefficients():
    z = torch.linspace(-2, 2, 9, dtype=torch.float64)
    cubic = Activation.from_sympy(x**3 - 2 * x + 1, x, 3)
    torch.testing.assert_close(cubic(z), z**3 - 2 * z + 1)
    relu = Activation.from_sympy(sp.Max(x, 0), x, 2)
    root = 1 / math.sqrt(2 * math.pi)
    np.testing.assert_allclose(relu.coefficients, (root, 0.5, root / math.sqrt(2)), rtol=1e-15)


def test_shape_and_dtype_follow_the_input():
    sigma = Activation((0.1, 0.2, 0.3))
    for z in (torch.zeros(2, 3), torch.zeros((), dtype=torch.float64)):
        assert sigma(z).shape == sigma.derivative(z).shape == z.shape
        assert sigma(z).dtype == sigma.derivative(z).dtype == z.dtype


def test_information_exponents():
    assert [Activation.hermite(k).information_exponent for k in (1, 2, 5)] == [1, 2, 5]
    assert Activation((3.0, 0.0, 0.0, 0.5, 1.0)).information_exponent == 3
    assert Activation((3.0,)).information_exponent == math.inf


@pytest.mark.parametrize("coefficients", [(), (1.0, math.nan), (math.inf,)])
def test_bad_coefficients(coefficients):
    with pytest.raises(ValueError, match="valid are one or more finite numbers"):
        Activation(coefficients)


@pytest.mark.parametrize("k", [-1, 2.0, "2"])
def test_bad_degree(k):
    with pytest.raises(ValueError, match="valid are integers from 0"):
        Activation.hermite(k)
