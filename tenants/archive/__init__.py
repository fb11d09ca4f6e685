"""One tenant in one file, and back again.

An archive is a ZIP of

    manifest.json       what else is in it, with sizes and SHA-256, and the migrations its tables were at
    manifest.mac        with a key only: that the manifest is what was written
    public.json         the tenant's rows in the public schema
    secrets.json        which secrets there are; their values with a key only, each sealed
    tables/NAME         the rows of a table, as PostgreSQL's COPY writes them
    files/PATH          what was uploaded

Rows are read in one snapshot, so that an archive is one moment of a tenant in use. Sessions stay behind: a login belongs to an
installation. So does what is still to be done, unless the tenant is suspended: see `rules`.
"""
