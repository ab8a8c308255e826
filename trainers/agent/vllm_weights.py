"""New weights for a vLLM that runs on a processor beside the training."""

from __future__ import annotations

from typing import Any


def reload_weights(generation: Any) -> None:
    """Give the engine the weights as they are now, in place of TRL's `sync_weights`.

    TRL writes into the engine's parameters. On a processor vLLM has packed those of its linear layers when
    it loaded them, and kept nothing that could be written to; its own reload packs them again.

    Args:
        generation: TRL's `trainer.vllm_generation`, colocated.
    """
    runner = generation.llm.llm_engine.model_executor.driver_worker.model_runner
    # Copies: adapters are merged while the names are walked, and no longer.
    named = [(name, weights.detach().clone()) for name, weights in generation._iter_named_params()]
    runner.reload_weights(weights_iterator=iter(named))
    generation.llm.reset_prefix_cache()
