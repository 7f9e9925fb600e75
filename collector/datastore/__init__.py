"""Usage that somebody already writes down: events in log files, objects and streams.

:mod:`collector.datastore.cloudevents` reads the lines; the packages beside it bring them, each from one kind of store,
and remember how far they came.
"""
