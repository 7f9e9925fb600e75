"""One file for each kind of resource: what it takes to list it, and what a listing says of each."""
