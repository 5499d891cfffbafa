"""Pictures that a model made, in a Chat Completions answer. Pure and total.

OpenRouter, LiteLLM and others put them beside the text, as `images`, or into the content as parts of `type: image_url`.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from perdure.workflows.vocabulary.parts import File

_DATA: Final = re.compile(r"data:(image/[a-z0-9.+-]{1,60});base64,[A-Za-z0-9+/=]+")


def picture(part: Any, number: int) -> File | None:
    """The picture, by number the `number`th of the answer, in a part of it. None: there is none."""
    holder = part.get("image_url") if isinstance(part, Mapping) else None
    url = holder.get("url") if isinstance(holder, Mapping) else holder
    found = _DATA.fullmatch(url) if isinstance(url, str) else None
    if found is None:
        return None
    form = found[1].partition("/")[2].partition("+")[0]
    return File(uri=found[0], media_type=found[1], name=f"image-{number}.{form}")
