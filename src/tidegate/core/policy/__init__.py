"""Typed facts, CEL rules and decisions that explain themselves.

>>> from tidegate.core.policy.evaluate import evaluate
>>> from tidegate.core.policy.facts import FactSet
>>> from tidegate.core.policy.load import bundled
>>> evaluate(bundled("default"), FactSet(), gate="registry/promote", now=0).outcome.value
'deny'
"""
