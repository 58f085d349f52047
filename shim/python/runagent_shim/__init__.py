"""The part of RunAgent that runs inside an instance, beside the agent's code."""
