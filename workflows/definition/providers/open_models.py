"""Models with open weights, on servers that people run themselves and at hosts of which nothing else is known.

Source: the model cards, whose chat templates take `enable_thinking` or `thinking`, and the documentation of vLLM, SGLang and
llama.cpp, which hand `chat_template_kwargs` on to them.
"""

from dataclasses import replace
from typing import Final

from perdure.workflows.definition.providers.dialect import ThinkingDialect
from perdure.workflows.definition.providers.known import NO_THINKING, Models, always_thinks, sees, thinks

#: Names of models that think by default, and can be kept from it.
HYBRID: Final = (
    r"qwen-?3(?:\.\d+)?(?!.*(?:instruct|coder|thinking))|qwen-?[4-9]|glm-?(?:4\.[5-9]|4p[5-9]|[5-9])|nemotron-?[3-9]|smollm3"
    r"|kimi-k2(?:\.|p)[56]|hunyuan|deepseek-v(?:[4-9]|3[.p][1-9])|ring-|ernie-?[5-9]|exaone-?[4-9]|minimax-m[3-9]"
)
#: Of OpenAI's open models, whose thinking has three levels, and no end.
GPT_OSS: Final[ThinkingDialect] = always_thinks("effort", "low", max="high")
#: Models whose chat templates let no person speak right behind the results of tools.
MISTRAL_MODELS: Final = r"mistral|ministral|magistral|devstral|codestral|pixtral"
_SEEING: Final = (
    r"-vl|vl-|llava|gemma-?[34]|llama-?4|pixtral|minicpm-v|moondream|internvl|qwen-?3\.[5-9]|qwen-?[4-9]|vision|omni"
    r"|glm-\d(?:\.\d)?v|kimi-k2\.[5-9]|kimi-k[3-9]|mistral-(?:small|medium|large)-?[34]"
)

OPEN_MODELS: Final = (
    Models(HYBRID, {"thinking": thinks("template", off="false", low="true", medium="true", high="true", max="true")}),
    Models(r"gpt-oss", {"thinking": GPT_OSS}),
    Models(
        r"qwq|deepseek-r\d|-thinking|magistral|kimi-k2\.7|minimax-m2", {"thinking": replace(NO_THINKING, always=True)}
    ),
    Models(_SEEING, {"files": sees()}),
    # "System role not supported"
    Models(r"gemma-?[12]\b|gemma-\d+b|mi[sx]tral-(?:7b|8x7b)-instruct-v0\.[12]", {"system_role": "user"}),
    Models(MISTRAL_MODELS, {"answers_results": True}),
)
