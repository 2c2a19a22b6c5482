#!/usr/bin/env bash
# One role and one database per service, which no other role may enter. Run by the image when its volume is empty.
#
# Each secret <name>_database is the URL that the service itself is given: postgres://role:password@host:port/database?...
set -euo pipefail

for file in "${SECRETS:-/run/secrets}"/*_database; do
  url="$(cat "$file")"
  login="${url#postgres://}"
  login="${login%%@*}"
  database="${url##*/}"
  # The password goes in by standard input: arguments can be seen by others. psql quotes what it puts in.
  psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --username="$POSTGRES_USER" --dbname=postgres <<SQL
\set role '${login%%:*}'
\set password '${login#*:}'
\set database '${database%%\?*}'
CREATE ROLE :"role" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'password';
-- Texts sort by their bytes, as the services create them.
CREATE DATABASE :"database" OWNER :"role" TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
REVOKE ALL ON DATABASE postgres FROM PUBLIC;
SQL
done
