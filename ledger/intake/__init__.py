"""Intake: what is accepted into the journal, and what is refused with a sentence that says why.

Reading order: ``refusals``, ``contents`` (a batch's bytes as checked tables), ``chains`` (who may add what, and
once only), ``recording`` (events sent row by row).
"""
