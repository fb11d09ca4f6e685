"""The end of a tenant: everything of it is removed, then looked for everywhere.

The order makes a run that was killed one that can be taken up by the same command, and lets nothing come back to life: the tenant is
marked first, for good; nobody serves it or works for it from then on; the rows that name it go last.
"""
