"""The precision that networks compute in: bfloat16 is taken where a device computes in it, and float32 elsewhere.

A processor without AVX-512 only imitates it: with AVX2 alone a step of training took 4 to 19 times as long as in
float32, by the network and by what else ran (`benchmarks/autocast.py`). Of which kind a device is, a stage's manifest
says.
"""

import torch


def has_bfloat16(device: torch.device) -> bool:
    """Whether a device computes in bfloat16 itself."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.backends.cpu.get_cpu_capability().startswith("AVX512")


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Mixed precision where `precision` is "bfloat16" and the device has it; else a context that changes nothing."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16" and has_bfloat16(device))
