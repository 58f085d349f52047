"""The AgentCore runtime SDK: one entrypoint, here around the function that BENCH_FUNCTION names.

A plain function runs on its thread pool, a coroutine on its worker loop.
"""

import inspect
import os
import sys

from bedrock_agentcore import BedrockAgentCoreApp

app = BedrockAgentCoreApp()
NAME = os.environ["BENCH_FUNCTION"]
if NAME == "graph":
    import graph

    FUNCTION = graph.run
else:
    import work

    FUNCTION = work.FUNCTIONS[NAME]

if inspect.iscoroutinefunction(FUNCTION):

    @app.entrypoint
    async def invoke(payload):
        return await FUNCTION(**payload)

else:

    @app.entrypoint
    def invoke(payload):
        return FUNCTION(**payload)


if __name__ == "__main__":
    app.run(host="127.0.0.1", port=int(sys.argv[1]))
