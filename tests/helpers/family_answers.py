"""One call, `pay(to="bob", amount=5)`, as each model family writes it."""

from __future__ import annotations

OBJECT = '{"name": "pay", "arguments": {"to": "bob", "amount": 5}}'
LLAMAS = '{"name": "pay", "parameters": {"to": "bob", "amount": 5}}'
ARGUMENTS = '{"to": "bob", "amount": 5}'
FAMILIES = {
    "hermes": f"<tool_call>\n{OBJECT}\n</tool_call>",
    "hermes, no closing tag": f"<tool_call>\n{OBJECT}",
    "qwen, bare": OBJECT,
    "qwen, fence (ollama 13519)": f"```json\n{OBJECT}\n```",
    "qwen, behind words": f"I pay Bob now.\n\n```json\n{OBJECT}\n```",
    "qwen, behind words, no fence (vllm 32926)": f"I pay Bob now: {OBJECT}",
    "qwen-coder, <tools>": f"<tools>\n{OBJECT}\n</tools>",
    "qwen3-coder (vllm 21571)": "<tool_call>\n<function=pay>\n<parameter=to>\nbob\n</parameter>\n"
    "<parameter=amount>\n5\n</parameter>\n</function>\n</tool_call>",
    "seed-oss": "<seed:tool_call>\n<function=pay>\n<parameter=to>bob</parameter>\n"
    "<parameter=amount>5</parameter>\n</function>\n</seed:tool_call>",
    "llama 3.1": LLAMAS,
    "llama 3.1, tag": f"<|python_tag|>{LLAMAS}",
    "llama 3.1, function": f"<function=pay>{ARGUMENTS}</function>",
    "llama 4 (vllm 22917)": '[pay(to="bob", amount=5)]',
    "llama 4, marks": "<|python_start|>[pay(to='bob', amount=5)]<|python_end|>",
    "mistral": f"[TOOL_CALLS] [{OBJECT}]",
    "mistral 2025": f"[TOOL_CALLS]pay[ARGS]{ARGUMENTS}",
    "mistral, no [ARGS]": f"[TOOL_CALLS]pay{ARGUMENTS}",
    "deepseek v3": "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>pay\n```json\n"
    f"{ARGUMENTS}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
    "deepseek v3.1": "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>pay<｜tool▁sep｜>"
    f"{ARGUMENTS}<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
    "deepseek v4": '<｜DSML｜tool_calls>\n<｜DSML｜invoke name="pay">\n'
    '<｜DSML｜parameter name="to" string="true">bob</｜DSML｜parameter>\n'
    '<｜DSML｜parameter name="amount" string="false">5</｜DSML｜parameter>\n'
    "</｜DSML｜invoke>\n</｜DSML｜tool_calls>",
    "glm 4.5": "<tool_call>pay\n<arg_key>to</arg_key>\n<arg_value>bob</arg_value>\n"
    "<arg_key>amount</arg_key>\n<arg_value>5</arg_value>\n</tool_call>",
    "kimi k2": "<|tool_calls_section_begin|><|tool_call_begin|>functions.pay:0<|tool_call_argument_begin|>"
    f"{ARGUMENTS}<|tool_call_end|><|tool_calls_section_end|>",
    "kimi k3": '<|open|>tools<|sep|><|open|>call tool="pay" index="1"<|sep|><|open|>argument key="to" '
    'type="string"<|sep|>bob<|close|>argument<|sep|><|open|>argument key="amount" type="number"<|sep|>5'
    "<|close|>argument<|sep|><|close|>call<|sep|><|close|>tools<|sep|>",
    "gpt-oss": "<|channel|>analysis<|message|>Pay.<|end|><|start|>assistant<|channel|>commentary "
    f"to=functions.pay <|constrain|>json<|message|>{ARGUMENTS}<|call|>",
    "gemma 4": '<|tool_call>call:pay{to:<|"|>bob<|"|>,amount:5}<tool_call|>',
    "functiongemma": "<start_function_call>call:pay{to:<escape>bob<escape>,amount:5}<end_function_call>",
    "gemma 3": '```tool_code\n[pay(to="bob", amount=5)]\n```',
    "granite 3": f"<|tool_call|>[{OBJECT}]",
    "granite 20b": f"<function_call> {OBJECT}",
    "command-r": 'Action: ```json\n[{"tool_name": "pay", "parameters": {"to": "bob", "amount": 5}}]\n```',
    "command r7b": '<|START_ACTION|>[{"tool_call_id": "0", "tool_name": "pay", "parameters": '
    '{"to": "bob", "amount": 5}}]<|END_ACTION|>',
    "phi-4 mini": f"<|tool_call|>[{OBJECT}]<|/tool_call|>",
    "phi-4 mini, ollama": f"functools[{OBJECT}]",
    "minimax m1": f"<tool_calls>\n{OBJECT}\n</tool_calls>",
    "minimax m2": '<minimax:tool_call>\n<invoke name="pay">\n<parameter name="to">bob</parameter>\n'
    '<parameter name="amount">5</parameter>\n</invoke>\n</minimax:tool_call>',
    "xlam": f"[{OBJECT}]",
    "xlam, tool_calls": f'{{"tool_calls": [{OBJECT}]}}',
    "olmo 3": '<function_calls>\npay(to="bob", amount=5)\n</function_calls>',
    "lfm2": '<|tool_call_start|>[pay(to="bob", amount=5)]<|tool_call_end|>',
    "nemotron": f"<TOOLCALL>[{OBJECT}]</TOOLCALL>",
    "lm studio": f"[TOOL_REQUEST]{OBJECT}[END_TOOL_REQUEST]",
    "apriel": f"<tool_calls>[{OBJECT}]</tool_calls>",
    "internlm": f"<|action_start|><|plugin|>\n{OBJECT}<|action_end|>",
    "openai, in words": '{"tool_uses": [{"recipient_name": "functions.pay", "parameters": '
    '{"to": "bob", "amount": 5}}]}',
}
