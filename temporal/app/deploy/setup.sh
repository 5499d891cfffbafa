#!/bin/sh
# Gives a Temporal server the namespace that Perdure works in: its retention and its search attributes. Safe to run again.
# TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE and PERDURE_RETENTION_DAYS say where and how; runs in temporalio/admin-tools.
set -eu

: "${TEMPORAL_NAMESPACE:=default}" "${PERDURE_RETENTION_DAYS:=30}"

# A server that has just started, or a namespace that was just made, is not known everywhere at once.
patiently() {
  left=30
  until "$@"; do
    left=$((left - 1))
    [ "$left" -gt 0 ] || exit 1
    sleep 1
  done
}

patiently temporal operator cluster health
if temporal operator namespace describe -n "$TEMPORAL_NAMESPACE" >/dev/null 2>&1; then
  temporal operator namespace update -n "$TEMPORAL_NAMESPACE" --retention "${PERDURE_RETENTION_DAYS}d"
else
  temporal operator namespace create -n "$TEMPORAL_NAMESPACE" --retention "${PERDURE_RETENTION_DAYS}d"
fi
patiently temporal operator search-attribute create -n "$TEMPORAL_NAMESPACE" \
  --name PerdureAgent --type Keyword \
  --name PerdureStatus --type Keyword \
  --name PerdureTenant --type Keyword \
  --name PerdureUser --type Keyword \
  --name PerdureDigest --type Keyword \
  --name PerdureCost --type Double \
  --name PerdureActive --type Datetime \
  --name PerdureEnded --type Keyword
