"""The server: gRPC in front of intake, query and admin, and the loop that books closed hours.

Reading order: ``config``, ``intake_service``, ``query_service``, ``admin_service``, ``selfmetrics``, ``process``.
"""
