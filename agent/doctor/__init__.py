"""``meterbook agent doctor``: what stands between an agent and its work, before it is started or while it runs.

``checks`` lists what is looked at, in the order in which one would mend it; ``greeting`` asks the ledger, ``sources`` what is read. Nothing
is kept, nothing is sent but questions, and the spool is read alone: an agent that runs has it open.
"""
