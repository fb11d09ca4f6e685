-- Once, when the cluster is made: nobody but its owner looks into PostgreSQL's own databases.
REVOKE CONNECT ON DATABASE postgres, template1 FROM PUBLIC;
