"""Serves one GGUF file on loopback, OpenAI-compatible: `model_server.py FILE PORT NAME`, its key in KEFU_LLM_API_KEY.

Run as a script, so that nothing but the runtime is loaded beside the model.
"""

from __future__ import annotations

import os
import signal
import sys

CONTEXT = 4096  # tokens of one conversation with its passages and its answer
SLOTS = 2  # answers at the same time
THREADS = 2
PROMPT_CACHE_MIB = 512  # the runtime would take 8 GB


def main(file: str, port: str, name: str) -> None:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = file
    params.model_alias = {name}
    params.hostnames = ["127.0.0.1"]
    params.port = int(port)
    params.api_keys = [os.environ["KEFU_LLM_API_KEY"]]
    params.n_ctx = CONTEXT * SLOTS
    params.n_parallel = SLOTS
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = THREADS
    # Threads that spin while they wait for each other crawl when web and workers want the same processors: measured 5 times slower.
    params.cpuparams.poll = params.cpuparams_batch.poll = 0
    params.cache_ram_mib = PROMPT_CACHE_MIB
    params.endpoint_metrics = True
    params.endpoint_slots = False
    params.ui = False
    server = xllamacpp.Server(params)  # returns when the model is loaded and the port answers
    sys.stderr.write(f"serving {name} at {server.listening_address}\n")
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    os._exit(0)  # the runtime's own threads need no farewell


if __name__ == "__main__":
    # Blocked in every thread, so that the wait above gets them.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    main(*sys.argv[1:])
