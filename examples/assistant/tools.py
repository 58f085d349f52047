"""The assistant's tools: a calculator and a converter of units."""

import ast
import math
import operator

from langchain_core.tools import tool

_BINARY = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_UNARY = {ast.UAdd: operator.pos, ast.USub: operator.neg}
_NAMES = {"pi": math.pi, "e": math.e}
_FUNCTIONS = {"sqrt": math.sqrt, "round": round, "abs": abs, "min": min, "max": max}

# Larger numbers would keep a processor busy for the caller of a toy.
_LIMIT = 10**100

# How much one of each unit is of its dimension's base unit.
_UNITS = {
    "length": {"mm": 0.001, "cm": 0.01, "m": 1.0, "km": 1000.0, "inch": 0.0254, "foot": 0.3048, "mile": 1609.344},
    "mass": {"g": 0.001, "kg": 1.0, "ounce": 0.028349523125, "pound": 0.45359237},
    "time": {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86400.0, "week": 604800.0},
}
_SPELLINGS = {
    "millimeter": "mm", "centimeter": "cm", "meter": "m", "metre": "m", "kilometer": "km", "kilometre": "km",
    "inches": "inch", "feet": "foot", "ft": "foot", "mi": "mile",
    "gram": "g", "kilogram": "kg", "kilo": "kg", "oz": "ounce", "lb": "pound", "lbs": "pound",
    "s": "second", "sec": "second", "min": "minute", "h": "hour", "c": "celsius", "f": "fahrenheit", "k": "kelvin",
    "°c": "celsius", "°f": "fahrenheit",
}  # fmt: skip
_TO_KELVIN = {
    "celsius": lambda value: value + 273.15,
    "fahrenheit": lambda value: (value + 459.67) * 5 / 9,
    "kelvin": lambda value: value,
}
_FROM_KELVIN = {
    "celsius": lambda value: value - 273.15,
    "fahrenheit": lambda value: value * 9 / 5 - 459.67,
    "kelvin": lambda value: value,
}


@tool
def calculate(expression: str) -> str:
    """Work out an arithmetic expression such as "2 * (3 + 4) ** 2" or "sqrt(2) * pi"."""
    text = expression.strip().replace("^", "**").replace("×", "*").replace("÷", "/")
    if len(text) > 200:
        raise ValueError("the expression is longer than 200 characters")
    try:
        tree = ast.parse(text, mode="eval")
    except SyntaxError:
        raise ValueError(f"{expression!r} is not an arithmetic expression") from None
    return f"{expression.strip()} = {_number(_evaluate(tree.body))}"


@tool
def convert(value: float, from_unit: str, to_unit: str) -> str:
    """Convert a value between units of length, mass, time or temperature, such as 5 from "km" to "mile"."""
    source, target = _unit(from_unit), _unit(to_unit)
    if source in _TO_KELVIN and target in _FROM_KELVIN:
        result = _FROM_KELVIN[target](_TO_KELVIN[source](value))
    else:
        result = value * _factor(source, target)
    return f"{_number(value)} {from_unit} = {_number(result)} {to_unit}"


def _evaluate(node):
    """Work out one node of an expression's tree; nothing but arithmetic has a value."""
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        value = node.value
    elif isinstance(node, ast.Name) and node.id in _NAMES:
        value = _NAMES[node.id]
    elif isinstance(node, ast.UnaryOp) and type(node.op) in _UNARY:
        value = _UNARY[type(node.op)](_evaluate(node.operand))
    elif isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
        left, right = _evaluate(node.left), _evaluate(node.right)
        if isinstance(node.op, ast.Pow) and abs(right) > 1000:
            raise ValueError("the exponent is too large")
        value = _BINARY[type(node.op)](left, right)
    elif isinstance(node, ast.Call) and getattr(node.func, "id", None) in _FUNCTIONS and not node.keywords:
        value = _FUNCTIONS[node.func.id](*[_evaluate(argument) for argument in node.args])
    else:
        raise ValueError("only numbers, + - * / // % **, brackets and a few functions are understood")
    if isinstance(value, complex) or abs(value) > _LIMIT:
        raise ValueError("the result is out of range")
    return value


def _unit(text):
    name = text.strip().lower()
    for spelling in (name, name[:-1] if name.endswith("s") else name):
        unit = _SPELLINGS.get(spelling, spelling)
        if unit in _TO_KELVIN or any(unit in units for units in _UNITS.values()):
            return unit
    raise ValueError(f"there is no unit {text!r}")


def _factor(source, target):
    for units in _UNITS.values():
        if source in units and target in units:
            return units[source] / units[target]
    raise ValueError(f"there is no way from {source!r} to {target!r}")


def _number(value):
    """Write a number as people do: at most ten digits, no trailing zeros."""
    if isinstance(value, int):
        return str(value)
    return f"{value:.10g}"
