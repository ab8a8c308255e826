"""Agents of other frameworks as they are: one module for each framework, imported when it is used.

`from artis_sdk.integrations.pydantic_ai import rehearsed` makes a session's agent of a pydantic-ai agent, and
its tools stay untouched.
"""
