"""A package inside the agent's folder."""
