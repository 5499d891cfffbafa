#!/bin/sh
# Makes the files of .secrets that docker-compose.yml mounts, and leaves those alone that are there. Run it in the folder of
# docker-compose.yml. Passwords are random; keys of model providers stay empty until you write them in.
set -eu

umask 077
mkdir -p .secrets
random() {
  [ -s ".secrets/$1" ] || od -An -N24 -tx1 /dev/urandom | tr -d ' \n' >".secrets/$1"
}

random postgres_password
random redis_password
random grafana_password
random blobs_key_id
random blobs_key
[ -s .secrets/perdure_live ] || printf 'redis://:%s@redis:6379/0' "$(cat .secrets/redis_password)" >.secrets/perdure_live
for provider in anthropic openai gemini; do
  [ -e ".secrets/${provider}_api_key" ] || : >".secrets/${provider}_api_key"
done
# The folder is closed to others on this machine. Inside a container each user has to read the one file that is mounted.
chmod 0644 .secrets/*
