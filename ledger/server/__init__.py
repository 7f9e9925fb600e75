"""The server: gRPC in front of intake, query and admin, and the loop that books closed hours.

Reading order: ``config``, ``tls``, ``authentication``, ``intake_service``, ``turns`` (how many questions at once, and for how long),
``query_service``, ``access_service``,
``selfmetrics``, ``process``.
"""
