"""Costing: what it cost the vendor to serve each tenant, by stated prices and by what providers billed.

Prices are simple: quantity x unit price (``pricesheet``). Bills have to be allocated, and that goes like this::

    charges of the bills that stand (bills), or that price books estimate where none does (expected, estimating, pricing)
      -> profiles: charges that are alike in all that rules look at, with their costs added up (profiles)
      -> each profile is taken by the first rule that holds for it (taking)
      -> its rule says what of it is whose: a key of the shares (methods, drivers, inventory; known)
      -> what went to a pool is divided by the rules of that pool, in the same way (pools, allocating)
      -> cost x share, added up by whatever is asked for (amounts, reconciling)
      or, for files of others, the part of each charge that everybody bears (ratios), in each of its columns (portions, focusrows, exporting)

**Scale.** A share is a whole number of parts of ``shares.WHOLE``, 10^12. The shares of a key add up to exactly that many: each is rounded
down, and what is left goes, one part each, to those with the largest remainders, and of equal ones to the first by name. So a share is
within 10^-12 of the truth. That is the only rounding there is. The division is made once for each key, which is the rule and what the
rule reads of a charge (its period, the columns of ``where``), and not for each charge.

A cost has 18 digits after the point. Cost x share has 30 and is exact, and so is what went through a pool and has 12 more for it. So the parts
of each charge add up to the charge, to the last digit, whatever its sign. And since nothing is rounded after the division, it makes no difference
whether charges are multiplied and then added up, or added up and then multiplied: sums of profiles are sums of charges. That is why a million
charges take seconds, and one charge can be shown by itself and agree with them.

In another currency charges are told apart by their rates and turned after they are added up (exchanging, converted); what rules say of meters and pools
tells for what a cost was (serving), and what one unit of it was (unitcost).

A file for others has 38 digits for a number, so there the parts of single charges are rounded to the 18th digit behind the point, by largest remainder once
more: they still add up to the charge.

An allocation is a pure function of the rules, charges and entries of a view, and of some bills. It is computed when it is asked for, and never stored;
but shares by usage that was settled are remembered for whoever asks again (known).
"""
