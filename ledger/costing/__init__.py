"""Costing: what it cost the vendor to serve each tenant."""
