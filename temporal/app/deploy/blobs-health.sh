#!/bin/sh
# Whether SeaweedFS keeps objects: reads one through its filer, and writes it where it is missing. Its own /healthz of the S3 API
# stays 200 while nothing behind it answers. Runs in chrislusf/seaweedfs, whose filer asks nobody who calls.
set -eu

: "${S3:=http://127.0.0.1:8333}" "${FILER:=http://127.0.0.1:8888}"

probe="$FILER/health/probe"
ask() { wget -q -T 2 -O - "$@"; }

ask "$S3/healthz" >/dev/null
if ! ask "$probe" >/dev/null 2>&1; then
  form="$(printf -- '--part\r\nContent-Disposition: form-data; name="file"; filename="probe"\r\n\r\nwell\r\n--part--\r\n')"
  ask --header 'Content-Type: multipart/form-data; boundary=part' --post-data="$form" "$probe" >/dev/null
fi
[ "$(ask "$probe")" = well ]
