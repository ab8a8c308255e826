"""Number types of a training run, checked against the device before it begins."""

from __future__ import annotations

from typing import Literal

from artis_sdk.errors import TrainingError

Precision = Literal["auto", "bf16", "fp16", "fp32"]
"""`auto`: bf16 on a GPU that has it, else fp32."""
Chosen = Literal["bf16", "fp16", "fp32"]


def choose_precision(asked: Precision, *, cpu: bool) -> Chosen:
    """The precision of a run.

    Args:
        asked: the caller's choice.
        cpu: whether to train on the CPU.

    Raises:
        TrainingError: the device does not have it.
    """
    import torch

    gpu = not cpu and torch.cuda.is_available()
    bf16 = gpu and torch.cuda.is_bf16_supported(including_emulation=False)
    if asked == "auto":
        return "bf16" if bf16 else "fp32"
    if asked == "fp16" and not gpu:
        raise TrainingError(
            "--precision fp16 needs a CUDA GPU, and this run is on the processor: choose fp32, or bf16"
        )
    if asked == "bf16" and gpu and not bf16:
        raise TrainingError(
            f"--precision bf16: {torch.cuda.get_device_name()} does not have it: choose fp16 or fp32"
        )
    return asked


def check_attention(asked: str | None, *, cpu: bool) -> None:
    """Refuse an attention that the device does not have.

    Args:
        asked: transformers' `attn_implementation`; None for its default.
        cpu: whether to train on the CPU.

    Raises:
        TrainingError: flash attention on the processor.
    """
    if asked is not None and "flash" in asked and cpu:
        raise TrainingError(
            f"--attn-implementation {asked} needs a CUDA GPU, and this run is on the processor: leave it "
            "out, or choose sdpa or eager"
        )


def check_four_bit(asked: bool, *, cpu: bool) -> None:
    """Refuse a base in 4 bits where it cannot be trained through.

    Args:
        asked: whether the base is to be held in 4 bits.
        cpu: whether to train on the CPU, for which bitsandbytes has no gradient.

    Raises:
        TrainingError: on the processor.
    """
    if asked and cpu:
        raise TrainingError(
            "--four-bit needs a CUDA GPU, and this run is on the processor, where bitsandbytes computes no "
            "gradient: leave it out"
        )


def weights_type(precision: Chosen, *, lora: bool) -> str:
    """torch's name of the type of the base's weights. Gradients of fp16 weights cannot be scaled, so that
    these are fp16 only where none of them is trained."""
    if precision == "bf16":
        return "bfloat16"
    return "float16" if precision == "fp16" and lora else "float32"
