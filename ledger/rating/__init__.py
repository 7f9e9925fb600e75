"""Rating: what a quantity costs a customer under a price model."""
