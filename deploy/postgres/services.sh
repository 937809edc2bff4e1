#!/bin/sh
# Runs once, on an empty volume: a role and a database for each service, owned by it and closed to everybody else.
# The password of a role is the content of /run/secrets/postgres_SERVICE.
set -eu

sql() { psql --no-psqlrc -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --no-password --dbname postgres "$@"; }

sql --quiet <<'SQL'
REVOKE ALL ON DATABASE postgres FROM PUBLIC;
REVOKE ALL ON DATABASE template1 FROM PUBLIC;
SQL

for service in orders escrow deposits disputes identity payments carrier; do
    # psql reads the password itself, so that it stands in no list of processes and in no log.
    SERVICE=$service sql --quiet -v service="$service" <<'SQL'
\set password `cat "/run/secrets/postgres_$SERVICE"`
SET log_statement = 'none';
SET log_min_error_statement = 'panic';
CREATE ROLE :"service" LOGIN PASSWORD :'password' NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION;
CREATE DATABASE :"service" OWNER :"service";
REVOKE ALL ON DATABASE :"service" FROM PUBLIC;
SQL
done
