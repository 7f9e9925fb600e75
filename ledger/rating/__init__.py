"""Rating: what a quantity costs a customer under a price model.

Reading order: ``model`` (what a model is given, and what it gives), ``tiers``, ``models`` (all of them, one file each),
``rounding`` (to coins, once). Nothing in here knows of plans, customers or the book.
"""
