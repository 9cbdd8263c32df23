import torch

from actupose.core.gradient import scale_gradient


def test_values_pass_and_the_gradient_is_multiplied():
    values = torch.tensor([1.0, -2.0], requires_grad=True)
    passed = scale_gradient(values, -0.3)
    assert torch.equal(passed, values)
    (passed * torch.tensor([5.0, 7.0])).sum().backward()
    torch.testing.assert_close(values.grad, torch.tensor([-1.5, -2.1]))


def test_a_factor_of_nothing_stops_the_gradient():
    values = torch.ones(3, requires_grad=True)
    scale_gradient(values, 0.0).square().sum().backward()
    assert torch.equal(values.grad, torch.zeros(3))
