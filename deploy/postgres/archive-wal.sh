#!/bin/sh
# Keeps a finished WAL segment in a folder, compressed, whole or not at all:
#     archive_command = '/etc/postgresql/archive-wal.sh "%p" "%f" /var/lib/postgresql/archive'
# PostgreSQL calls it again until it succeeds, and after a crash perhaps for one that is there.
set -eu
segment=$1 kept=$3/$2.gz
if [ -e "$kept" ]; then
    gzip -dc "$kept" | cmp -s - "$segment" && exit 0
    echo "archive-wal: $kept is there and holds something else: is the folder another server's?" >&2
    exit 1
fi
gzip -c "$segment" > "$kept.partial"
sync "$kept.partial"
mv "$kept.partial" "$kept"
sync "$3"
