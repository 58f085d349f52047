"""Async generators within async generators, closed together."""


class Closing:
    """`async with Closing(generator) as items` closes it at the end, as aclosing does from 3.10 on."""

    def __init__(self, generator):
        self._generator = generator

    async def __aenter__(self):
        return self._generator

    async def __aexit__(self, *_):
        await self._generator.aclose()
