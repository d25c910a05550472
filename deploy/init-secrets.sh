#!/bin/sh
# Makes what docker-compose.yml needs and is not in the repository, once: passwords and tokens in
# secrets/, the choice of profiles in .env. What is there already stays as it is.
# Usage: deploy/init-secrets.sh [replay|live]
set -eu
cd "$(dirname "$0")/.."
mode=${1:-replay}
case $mode in
replay) clock=replay ;;
live) clock=wall ;;
*)
    echo "deploy/init-secrets.sh: $mode is neither replay nor live" >&2
    exit 2
    ;;
esac

umask 077
mkdir -p secrets
for name in database_password kafka_password studio_token grafana_password; do
    if [ ! -s "secrets/$name" ]; then
        head -c 24 /dev/urandom | base64 | tr '+/' '-_' | tr -d '\n' >"secrets/$name.partial"
        # the folder is closed to others; within the containers a secret is read by their own users
        chmod 644 "secrets/$name.partial"
        mv "secrets/$name.partial" "secrets/$name"
        echo "made secrets/$name"
    fi
done
# yours to fill in: whose certificates are believed where Kafka is spoken to by TLS, and where alerts
# are posted
umask 022
[ -e secrets/ca_certificates ] || : >secrets/ca_certificates
for name in pager tickets deadman; do
    [ -e "secrets/alert_${name}_url" ] || echo "http://localhost:9/$name" >"secrets/alert_${name}_url"
done
if [ ! -e .env ]; then
    printf 'COMPOSE_PROFILES=stores,%s\nCLOCK=%s\n' "$mode" "$clock" >.env
    echo "made .env for $mode"
elif ! grep -qx "CLOCK=$clock" .env; then
    echo "deploy/init-secrets.sh: .env says $(grep CLOCK= .env || echo 'nothing of CLOCK')," \
        "not CLOCK=$clock: change COMPOSE_PROFILES and CLOCK there, or remove it" >&2
    exit 1
fi
echo "page: http://127.0.0.1:8750/?token=$(cat secrets/studio_token)"
