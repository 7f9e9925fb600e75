"""AWS accounts: what there is in them, for how long and of what size, read without the right to change anything.

Reading order: ``config.py``; ``resources.py`` (what is said of a resource, and what a service is); ``services/`` (each a file of its own,
named in ``catalogue.py``); ``inquiry.py`` (pages, within bounds); ``tags.py``; ``book.py`` (resources as series that begin and end);
``inventory.py`` (one collection of all that); ``grants.py`` (what it takes); ``spending.py`` (what asking costs, where it
is paid for). What services measure of themselves is in packages of its own.
"""
