"""The base model: a check that it can be trained here, its tokenizer, and its chat template."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from artis_sdk.backends.chat.hf import tokenizer_prompts, tokenizer_vocabulary
from artis_sdk.backends.chat.prompt_text import PromptText, concat, written
from artis_sdk.errors import ConfigurationError, MissingExtraError, RequestRejected, TrainingError
from artis_sdk.records import Message
from artis_sdk.trainers.prompt_ids import prompt_ids


def check_base(base: str) -> None:
    """Refuse any base but a causal language model, early. Reads the configuration only.

    Args:
        base: path of a folder, or hub id.

    Raises:
        TrainingError: the base is not one, or cannot be found.
        MissingExtraError: a library of the train extra is not installed.
    """
    if Path(base).suffix == ".gguf":
        raise TrainingError(
            f"base model {base!r} is a GGUF file: artis train base {base} --out base/ makes a folder of it, "
            "then pass --base base/"
        )
    try:
        import datasets  # noqa: F401
        import peft  # noqa: F401
        import torch  # noqa: F401
        import trl  # noqa: F401
        from transformers import AutoConfig
        from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    except ImportError as error:
        raise MissingExtraError("training", "train") from error
    try:
        config = AutoConfig.from_pretrained(base)
    except (OSError, ValueError, KeyError) as error:
        first = str(error).strip().splitlines()[0]
        raise TrainingError(f"base model {base!r} cannot be read: {first}") from error
    causal = set(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values())
    classes = list(getattr(config, "architectures", None) or ())
    if getattr(config, "is_encoder_decoder", False) or not causal.intersection(classes):
        what = ", ".join(classes) or f"of type {config.model_type}, without a language-model head"
        raise TrainingError(f"base model {base!r} is not a causal language model: it is {what}")


def load_base(
    base: str,
    dtype: str,
    attention: str | None = None,
    *,
    four_bit: bool = False,
    device: Any = "cpu",
) -> tuple[Any, Any]:
    """Model and tokenizer.

    Args:
        base: path of a folder, or hub id.
        dtype: data type of the weights, by torch's name.
        attention: transformers' `attn_implementation`; None for its default.
        four_bit: whether the weights are held in 4 bits, and `dtype` is that of the computation.
        device: device of the model.

    Raises:
        TrainingError: they cannot be loaded.
        MissingExtraError: without bitsandbytes, for 4 bits.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    more: dict[str, Any] = _four_bits(dtype, device) if four_bit else {}
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(base)
        model: Any = AutoModelForCausalLM.from_pretrained(
            base, dtype=getattr(torch, dtype), attn_implementation=attention, **more
        )
    except ImportError as error:  # of an attention's kernels
        first = str(error).strip().splitlines()[0]
        raise TrainingError(
            f"base model {base!r} cannot be loaded with --attn-implementation {attention}: {first} "
            "Install it, or leave the option out"
        ) from error
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        first = str(error).strip().splitlines()[0]
        raise TrainingError(f"base model {base!r} cannot be loaded: {first}") from error
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return model if four_bit else model.to(device), tokenizer


def _four_bits(dtype: str, device: Any) -> dict[str, Any]:
    """Arguments by which transformers loads a model in 4 bits."""
    from transformers import BitsAndBytesConfig

    if find_spec("bitsandbytes") is None:
        raise MissingExtraError("a base in 4 bits", "four-bit")
    config = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype)
    return {"quantization_config": config, "device_map": {"": device}}


class ChatEncoder:
    """Messages as token ids through a chat template, exactly as an engine serves them.

    Args:
        tokenizer: tokenizer of the base model.
        base: name of the base model, for errors.

    Raises:
        TrainingError: it has no chat template, or an unsuitable one.
    """

    _SAMPLE = "sample answer"

    def __init__(self, tokenizer: Any, base: str) -> None:
        self._tokenizer = tokenizer
        self._base = base
        if not tokenizer.chat_template:
            raise TrainingError(
                f"base model {base!r} has no chat template, without which no engine can serve it: use its "
                "instruction-tuned sibling, or add one to its tokenizer"
            )
        try:
            self._prompts = tokenizer_prompts(base, tokenizer, tokenizer.get_chat_template())
        except ConfigurationError as error:
            raise TrainingError(str(error)) from error
        self._vocabulary = tokenizer_vocabulary(tokenizer)
        self.end = self._end()

    def _end(self) -> str:
        """The text that closes an assistant's turn."""
        text = self._render([("user", "x"), ("assistant", self._SAMPLE)], prompt=False)
        if self._SAMPLE not in text:
            raise TrainingError(f"base model {self._base!r}: its chat template does not print an answer")
        closing = text.rpartition(self._SAMPLE)[2].strip()
        eos: str = self._tokenizer.eos_token or ""
        before, found, _ = closing.partition(eos) if eos else (closing, "", "")
        end = before + found if found else closing + eos
        if not end:
            raise TrainingError(f"base model {self._base!r} has no token that ends an answer")
        return end

    def _render(self, messages: Sequence[tuple[str, str]], *, prompt: bool) -> PromptText:
        listed = [{"role": role, "content": content} for role, content in messages]
        try:
            return self._prompts.text(listed, tools=None, add_generation_prompt=prompt)
        except RequestRejected as error:
            raise TrainingError(str(error)) from error

    def prompt(self, messages: Sequence[Message]) -> PromptText:
        """The text of the prompt."""
        return self._render([(message.role, message.content) for message in messages], prompt=True)

    def answer(self, answer: str) -> PromptText:
        """The text of an answer and the end of the turn; in the answer nothing is a control token."""
        return concat((answer, written(self.end)))

    def token_ids(self, texts: Sequence[PromptText]) -> list[list[int]]:
        """Token ids of prompts and answers; raises as `prompt_ids.prompt_ids`."""
        return prompt_ids(self._vocabulary, self._tokenizer, texts)

    def text(self, ids: Sequence[int]) -> str:
        """The generated text, up to the end of the turn."""
        found: str = self._tokenizer.decode(ids, skip_special_tokens=True)
        return found
