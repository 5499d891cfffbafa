#!/bin/sh
# Starts SeaweedFS with its S3 API on port 8333, for the one key that stands in the secrets; the bucket is made when something is
# written to it. Runs in chrislusf/seaweedfs; arguments go to `weed server`.
#
# Only the S3 API asks who calls. Whoever reaches the other ports may do everything, so its network has to be closed.
set -eu

: "${SECRETS:=/run/secrets}" "${DATA:=/data}" "${ADDRESS:=blobs}" "${BIND:=0.0.0.0}"

umask 077
config="$(mktemp -d)/s3.json"
cat >"$config" <<END
{"identities": [{"name": "perdure", "actions": ["Admin"],
  "credentials": [{"accessKey": "$(cat "$SECRETS/blobs_key_id")", "secretKey": "$(cat "$SECRETS/blobs_key")"}]}]}
END
exec weed server -dir="$DATA" -ip="$ADDRESS" -ip.bind="$BIND" -master.peers=none -master.telemetry=false -master.volumeSizeLimitMB=1024 -volume.max=0 \
  -volume.preStopSeconds=0 -filer -s3 -s3.port=8333 -s3.config="$config" -s3.iam=false -s3.port.iceberg=0 -s3.port.lance=0 "$@"
