#!/bin/sh
# Lints the chart, renders it with and without all that is optional, and checks what comes out against Kubernetes'
# schemas. Needs `helm` and `kubernetes-validate` on the path: `make chart` brings both.
set -eu
chart=$(dirname "$0")/tradepulse
all="--set monitoring.enabled=true --set page.ingress.enabled=true"
own="--set-literal kafka.username={{.name}} --set-literal database.url=postgresql://{{.name}}@db/tradepulse"
helm lint --strict "$chart"
for options in "" "$all" "$own" "--set kafka.securityProtocol=PLAINTEXT --set network.enabled=false"; do
    # shellcheck disable=SC2086 # several options
    helm template release "$chart" $options >rendered.yaml
    # what an operator adds to Kubernetes has no schema there
    kubernetes-validate --strict --no-warn rendered.yaml
    rm rendered.yaml
done
