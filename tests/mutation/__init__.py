"""Mutation testing: which changes of the code does no test notice?

``python -m tests.mutation`` makes small changes to the code, one at a time, in a copy of the tree,
and runs the tests that judge it. A change that no test fails for is a survivor.
"""
