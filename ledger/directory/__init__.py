"""The directory: what operators define (meters, prices, plans, tenants, subscriptions), in versions."""
