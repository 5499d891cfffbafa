#!/bin/sh
# Makes or updates the two databases of a Temporal server on PostgreSQL. Safe to run again; runs in temporalio/admin-tools.
# POSTGRES_SEEDS and POSTGRES_USER say where and as whom, SQL_PASSWORD_FILE names the file with the password.
set -eu

SQL_PASSWORD=$(cat "$SQL_PASSWORD_FILE")
export SQL_PASSWORD

for pair in temporal:temporal temporal_visibility:visibility; do
  database=${pair%%:*}
  versions=/etc/temporal/schema/postgresql/v12/${pair##*:}/versioned
  tool="temporal-sql-tool --plugin postgres12 --ep $POSTGRES_SEEDS -p ${DB_PORT:-5432} -u $POSTGRES_USER --db $database"
  $tool create
  $tool setup-schema -v 0.0
  $tool update-schema -d "$versions"
done
