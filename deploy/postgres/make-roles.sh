#!/bin/sh
# Makes the roles of roles.sql and gives each the password of its file: PostgreSQL's image runs this where a new database
# is made. Again after a release that adds a role, and after a password was changed:
#     docker compose exec postgres /docker-entrypoint-initdb.d/make-roles.sh
set -eu
# what is there already is no news
export PGOPTIONS='--client-min-messages=warning'
say() {
    psql --quiet --no-psqlrc --set=ON_ERROR_STOP=1 --username="$POSTGRES_USER" --dbname="$POSTGRES_DB" "$@"
}
say --file=/etc/postgresql/roles.sql
for file in /run/secrets/database_*; do
    role=${file#/run/secrets/database_}
    # `database_password` is the superuser's own
    [ "$role" = password ] && role=$POSTGRES_USER
    say <<EOF
\set word \`cat $file\`
alter role $role password :'word';
EOF
done
