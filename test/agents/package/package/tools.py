"""Reached as `tools` and as `package.tools`: it must be one module all the same."""

calls = []


def remember(name):
    calls.append(name)
    return len(calls)
