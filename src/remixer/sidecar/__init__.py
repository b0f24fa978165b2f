"""Mixer's client: beside a proxy as an agent, or inside an application as a library.

Everything that an answer can spare a call for happens here; what is left goes to a Mixer elsewhere.
"""
