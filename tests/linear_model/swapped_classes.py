"""A plugin of pytest: scikit-learn's own tests, with mlcore's linear models in place of scikit-learn's.

The classes stand in the namespaces of the test modules alone: scikit-learn's own code, such as RidgeCV and what mlcore
hands over to it, goes on with scikit-learn's. Tests in which none of the classes occurs are left out.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from types import CodeType
from typing import Any
from unittest import mock

import pytest
import sklearn.linear_model

import mlcore

CLASSES = {name: getattr(mlcore, name) for name in ("LinearRegression", "Ridge", "LogisticRegression")}


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    if not isinstance(collector, pytest.Module):
        return (yield)
    name = f"sklearn.linear_model.tests.{collector.path.stem}"
    # imported once as it is, for whatever it imports must see scikit-learn's classes
    importlib.import_module(name)
    del sys.modules[name]
    # pytest imports it again, and the parametrisations see mlcore's classes too
    with mock.patch.multiple(sklearn.linear_model, **CLASSES):
        return (yield)


def is_swapped(value: Any) -> bool:
    """Whether a value is one of the classes, an instance of one, or holds such."""
    if isinstance(value, dict):
        return any(map(is_swapped, value.values()))
    if isinstance(value, (list, tuple)):
        return any(map(is_swapped, value))
    return (value if isinstance(value, type) else type(value)) in CLASSES.values()


def uses_swapped(function: Any, seen: set[Any]) -> bool:
    """Whether a function names one of the classes, itself or in functions of its module that it names."""
    function = inspect.unwrap(function)
    if function in seen:
        return False
    seen.add(function)
    codes = [function.__code__]
    for code in codes:  # grows: the functions within
        codes += [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    named = [function.__globals__.get(name) for code in codes for name in code.co_names]
    return is_swapped(named) or any(
        uses_swapped(value, seen)
        for value in named
        if inspect.isfunction(value) and value.__module__ == function.__module__
    )


def pytest_collection_modifyitems(config, items):
    chosen, others = [], []
    for item in items:
        parameters = [*item.callspec.params.values()] if hasattr(item, "callspec") else []
        functions = [item.function, *filter(inspect.isfunction, parameters)]
        used = is_swapped(parameters) or any(uses_swapped(function, set()) for function in functions)
        (chosen if used else others).append(item)
    config.hook.pytest_deselected(items=others)
    items[:] = chosen
