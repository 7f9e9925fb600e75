"""What definitions are written in: strict parts, names, exact numbers, currencies, units, moments and the calendar."""
