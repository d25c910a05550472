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

made=0
umask 077
mkdir -p secrets
# one of PostgreSQL's superuser, and one for each role and each user of Kafka
names='database_password studio_token grafana_password kafka_broker kafka_exporter'
for service in market_ingest signal_svc rl_svc executor_svc optimizer_svc studio_svc tradepulse_operator; do
    names="$names database_$service kafka_$service"
done
for role in rl_trainer tradepulse_owner tradepulse_backup tradepulse_monitor; do
    names="$names database_$role"
done
for name in $names; do
    if [ ! -s "secrets/$name" ]; then
        head -c 24 /dev/urandom | base64 | tr '+/' '-_' | tr -d '\n' >"secrets/$name.partial"
        # the folder is closed to others; within the containers a secret is read by their own users
        chmod 644 "secrets/$name.partial"
        mv "secrets/$name.partial" "secrets/$name"
        made=$((made + 1))
    fi
done
[ $made = 0 ] || echo "made $made passwords in secrets/"
umask 022
# the exporter takes its password as an argument only, or from a file of arguments
printf -- '--sasl.password=%s\n' "$(cat secrets/kafka_exporter)" >secrets/kafka_exporter_arguments
# yours to fill in: whose certificates are believed where Kafka is spoken to by TLS, and where alerts
# are posted
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
