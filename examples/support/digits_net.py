# SPDX-License-Identifier: Apache-2.0
"""The network of the digits example in PyTorch, which is given to `pytorch` as text."""

import torch


class DigitsNet(torch.nn.Module):
    """Pixels from 0 to 16 in, a score for each digit out."""

    def __init__(self, hidden: int):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(64, hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, 10))

    def forward(self, pixels):
        return self.layers(pixels / 16)
