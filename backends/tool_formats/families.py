"""The model families whose calls stand in marks: a row for each, with what its chat templates teach."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from artis_sdk.backends.tool_formats.framed import FRAMES
from artis_sdk.backends.tool_formats.framed_formats import FramedFormat
from artis_sdk.backends.tool_formats.function_xml import FUNCTION_XML
from artis_sdk.backends.tool_formats.gemma import FUNCTION_GEMMA, GEMMA
from artis_sdk.backends.tool_formats.gemma_format import GemmaFormat
from artis_sdk.backends.tool_formats.glm import GLM
from artis_sdk.backends.tool_formats.invoke_xml import INVOKE_XML, MINIMAX_M3
from artis_sdk.backends.tool_formats.kimi_xtml import KIMI_XTML
from artis_sdk.backends.tool_formats.marked import MarkedFormat
from artis_sdk.backends.tool_formats.named_json import DEEPSEEK, KIMI, NamedFormat
from artis_sdk.backends.tool_formats.protocol import BlockReader
from artis_sdk.backends.tool_formats.pythonic import PYTHONIC, PythonicFormat
from artis_sdk.backends.tool_formats.tagged import TaggedFormat


def _reader(opening: str) -> BlockReader:
    return next(frame for frame in FRAMES if frame.begins.match(opening))


QWEN_CODER: Final = TaggedFormat(
    name="qwen3-coder",  # Qwen 3.5 and later, Nemotron 3, Step 3.5
    reader=FUNCTION_XML,
    marks=("<tool_call>", "<function="),
    vllm_parsers=("qwen3_coder", "qwen3_xml"),
    call="\n<function=NAME>\n",
    again="\n<tool_call>\n<function=NAME>\n",
    argument="<parameter=NAME>\n",
    argument_close="\n</parameter>\n",
    close="</function>\n</tool_call>",
    never=("<parameter=", "</function>"),
    alone="<function=",
)
SEED: Final = TaggedFormat(
    name="seed-oss",
    reader=FUNCTION_XML,
    marks=("<seed:tool_call>", "<function="),
    vllm_parsers=("seed_oss",),
    call="\n<function=NAME>\n",
    again="\n<seed:tool_call>\n<function=NAME>\n",
    argument="<parameter=NAME>",
    argument_close="</parameter>\n",
    close="</function>\n</seed:tool_call>",
    never=("<parameter=", "</function>"),
    alone="<function=",
)
GLM_TAGS: Final = TaggedFormat(
    name="glm 4.5",  # and later
    reader=GLM,
    marks=("<tool_call>",),
    taught=("<tool_call>", "<arg_key>"),
    vllm_parsers=("glm45", "glm47"),
    call="NAME\n",
    again="\n<tool_call>NAME\n",
    argument="<arg_key>NAME</arg_key>\n<arg_value>",
    argument_close="</arg_value>\n",
    close="</tool_call>",
    never=("<arg_key>", "</tool_call>"),
)
MINIMAX_M2: Final = TaggedFormat(
    name="minimax m2",
    reader=INVOKE_XML,
    marks=("<minimax:tool_call>",),
    taught=("<minimax:tool_call>", "<invoke name="),
    vllm_parsers=("minimax_m2",),
    call='\n<invoke name="NAME">\n',
    again='<invoke name="NAME">\n',
    argument='<parameter name="NAME">',
    argument_close="</parameter>\n",
    close="</invoke>\n",
    end="</minimax:tool_call>",
    never=('<parameter name="', "</invoke>"),
)
_M3: Final = "]<]minimax[>["
MINIMAX_M3_TAGS: Final = TaggedFormat(
    name="minimax m3",
    reader=MINIMAX_M3,
    marks=(_M3,),
    behind="<tool_call>",
    taught=(_M3, "<tool_call>"),
    vllm_parsers=("minimax_m3",),
    call=f'\n{_M3}<invoke name="NAME">',
    again=f'{_M3}<invoke name="NAME">',
    argument=f"{_M3}<NAME>",
    argument_close=f"{_M3}</NAME>",
    close=f"{_M3}</invoke>\n",
    end=f"{_M3}</tool_call>",
)
DEEPSEEK_V32: Final = TaggedFormat(
    name="deepseek v3.2",
    reader=INVOKE_XML,
    marks=("<｜DSML｜",),
    begin="｜DSML｜",
    behind="function_calls>",
    taught=("｜DSML｜", "function_calls>"),
    not_taught=("tool_calls>",),
    vllm_parsers=("deepseek_v32",),
    call='\n<｜DSML｜invoke name="NAME">\n',
    again='<｜DSML｜invoke name="NAME">\n',
    argument='<｜DSML｜parameter name="NAME" string="STRING">',
    argument_close="</｜DSML｜parameter>\n",
    close="</｜DSML｜invoke>\n",
    end="</｜DSML｜function_calls>",
    never=("<｜DSML｜",),
)
DEEPSEEK_V4: Final = replace(
    DEEPSEEK_V32,
    name="deepseek v4",
    behind="tool_calls>",
    taught=("｜DSML｜", "tool_calls>"),
    not_taught=(),
    vllm_parsers=("deepseek_v4",),
    end="</｜DSML｜tool_calls>",
)
KIMI_K3: Final = TaggedFormat(
    name="kimi k3",
    reader=KIMI_XTML,
    marks=("<|open|>",),
    behind="tools",
    taught=("<|open|>", "<|sep|>", "'argument'"),
    vllm_parsers=("kimi_k3",),
    call='<|sep|><|open|>call tool="NAME" index="INDEX"<|sep|>',
    again='<|open|>call tool="NAME" index="INDEX"<|sep|>',
    argument='<|open|>argument key="NAME" type="TYPE"<|sep|>',
    argument_close="<|close|>argument<|sep|>",
    close="<|close|>call<|sep|>",
    end="<|close|>tools<|sep|>",
    never=("<|open|>",),
)
NEMOTRON: Final = FramedFormat(
    name="nemotron",
    reader=_reader("<TOOLCALL>"),
    marks=("<TOOLCALL>",),
    close="</TOOLCALL>",
)
APRIEL: Final = FramedFormat(
    name="apriel",
    reader=_reader("<tool_calls>"),
    marks=("<tool_calls>",),
    taught=("<tool_calls>[",),
    close="</tool_calls>",
)
MINIMAX_M1: Final = FramedFormat(
    name="minimax m1",  # Hunyuan
    reader=_reader("<tool_calls>"),
    marks=("<tool_calls>",),
    taught=("<tool_calls>\\n{", "<tool_calls>"),
    close="</tool_calls>",
    between="\n",
    listed=False,
)
PHI_4: Final = FramedFormat(
    name="phi-4 mini",
    reader=_reader("<|tool_call|>"),
    marks=("<|tool_call|>",),
    taught=("<|tool_call|>", "<|/tool_call|>"),
    vllm_parsers=("phi4_mini_json",),
    close="<|/tool_call|>",
)
GRANITE_3: Final = FramedFormat(
    name="granite 3",
    reader=_reader("<|tool_call|>"),
    marks=("<|tool_call|>",),
    vllm_parsers=("granite",),
    close="",
)
COMMAND_R7B: Final = FramedFormat(
    name="command r7b",  # Command A
    reader=_reader("<|START_ACTION|>"),
    marks=("<|START_ACTION|>",),
    vllm_parsers=("cohere_command3",),
    close="<|END_ACTION|>",
    name_key="tool_name",
    key="parameters",
    id_key="tool_call_id",
)
DEEPSEEK_V3: Final = NamedFormat(
    name="deepseek v3",  # R1
    reader=DEEPSEEK,
    marks=("<｜tool▁calls▁begin｜>",),
    taught=("<｜tool▁calls▁begin｜>", "```json"),
    vllm_parsers=("deepseek_v3",),
    call="<｜tool▁call▁begin｜>function<｜tool▁sep｜>NAME\n```json\n",
    close="\n```<｜tool▁call▁end｜>",
    end="<｜tool▁calls▁end｜>",
    between="\n",
)
DEEPSEEK_V31: Final = NamedFormat(
    name="deepseek v3.1",
    reader=DEEPSEEK,
    marks=("<｜tool▁calls▁begin｜>",),
    vllm_parsers=("deepseek_v31",),
    call="<｜tool▁call▁begin｜>NAME<｜tool▁sep｜>",
    close="<｜tool▁call▁end｜>",
    end="<｜tool▁calls▁end｜>",
)
KIMI_K2: Final = NamedFormat(
    name="kimi k2",
    reader=KIMI,
    marks=("<|tool_calls_section_begin|>",),
    vllm_parsers=("kimi_k2",),
    call="<|tool_call_begin|>functions.NAME:INDEX<|tool_call_argument_begin|>",
    close="<|tool_call_end|>",
    end="<|tool_calls_section_end|>",
)
LLAMA_4: Final = PythonicFormat(
    name="llama 4",
    reader=PYTHONIC[0],
    marks=("<|python_start|>",),
    taught=("<|python_start|>", "<|python_end|>"),
    vllm_parsers=("llama4_pythonic",),
    close="<|python_end|>",
)
LFM_2: Final = PythonicFormat(
    name="lfm2",
    reader=PYTHONIC[1],
    marks=("<|tool_call_start|>",),
    taught=("List of tools: ",),  # what its templates say, which name no mark
    vllm_parsers=("lfm2",),
    close="<|tool_call_end|>",
)
OLMO_3: Final = PythonicFormat(
    name="olmo 3",
    reader=PYTHONIC[2],
    marks=("<function_calls>",),
    not_taught=("<invoke", "DSML"),
    vllm_parsers=("olmo3",),
    close="</function_calls>",
    listed=False,
)
GEMMA_4: Final = GemmaFormat(
    name="gemma 4",
    reader=GEMMA,
    marks=("<|tool_call>",),
    taught=("<|tool_call>", "call:"),
    vllm_parsers=("gemma4",),
    close="<tool_call|>",
    quote='<|"|>',
)
FUNCTION_GEMMA_3: Final = GemmaFormat(
    name="functiongemma",
    reader=FUNCTION_GEMMA,
    marks=("<start_function_call>",),
    taught=("<start_function_call>", "call:"),
    vllm_parsers=("functiongemma",),
    close="<end_function_call>",
    quote="<escape>",
)

FAMILIES: Final[tuple[MarkedFormat, ...]] = (
    *(QWEN_CODER, SEED, GLM_TAGS, MINIMAX_M2, MINIMAX_M3_TAGS, DEEPSEEK_V4, DEEPSEEK_V32, KIMI_K3),
    *(NEMOTRON, APRIEL, MINIMAX_M1, PHI_4, GRANITE_3, COMMAND_R7B),
    *(DEEPSEEK_V3, DEEPSEEK_V31, KIMI_K2),
    *(LLAMA_4, LFM_2, OLMO_3),
    *(GEMMA_4, FUNCTION_GEMMA_3),
)
"""The families in order of precedence: the first one that a chat template teaches counts."""
