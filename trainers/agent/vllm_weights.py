"""New weights for a vLLM on a CPU beside the training."""

from __future__ import annotations

from typing import Any


def reload_weights(generation: Any) -> None:
    """Load the present weights into the engine, in place of TRL's `sync_weights`.

    TRL writes into the engine's parameters. On a CPU vLLM packs those of its linear layers when it loads
    them, and keeps no parameters to write to; its own reload packs them again.

    Args:
        generation: TRL's `trainer.vllm_generation`, colocated.
    """
    runner = generation.llm.llm_engine.model_executor.driver_worker.model_runner
    # Copies: adapters are merged only while the names are walked.
    named = [(name, weights.detach().clone()) for name, weights in generation._iter_named_params()]
    runner.reload_weights(weights_iterator=iter(named))
    generation.llm.reset_prefix_cache()
