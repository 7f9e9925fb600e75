"""The door to AWS accounts, and to anything that speaks S3: read-only, and by nothing but what was declared.

Each use declares its operations (``permissions``). Clients are limited by them before a byte leaves (``guard``), policies are made from
them (``policy``), and a refusal names the statement that is missing (``refusals``), so the four cannot drift apart. ``session`` is the
only place that opens clients.
"""
