#!/bin/sh
# Deploys this release of Bitting, or updates a deployed stack to it, with the AWS CLI and its credentials and region:
#   ./deploy.sh BUCKET STACK [PARAMETER=VALUE]...
# BUCKET is one of yours in that region. What is not given keeps its value, or has the template's default.
set -eu
cd "$(dirname "$0")"
bucket=${1:?a bucket of yours} stack=${2:?a name of the stack}; shift 2
if command -v sha256sum >/dev/null; then sha256sum -c SHA256SUMS; else shasum -a 256 -c SHA256SUMS; fi >/dev/null
release=$(date -u +%Y%m%dT%H%M%SZ) # a new name, else a stack with aliases would publish nothing
aws s3 cp functions "s3://$bucket/bitting" --recursive --only-show-errors
deploy() { aws cloudformation deploy --template-file template.yaml --stack-name "$stack" --s3-bucket "$bucket" --s3-prefix bitting \
  --capabilities CAPABILITY_IAM CAPABILITY_AUTO_EXPAND --no-fail-on-empty-changeset --parameter-overrides ArtifactBucket="$bucket" Release="$release" "$@"; }
deploy "$@"
case " $* " in *" DeletionProtection="*) ;; *) deploy "$@" DeletionProtection=on ;; esac # once it stands, it is not lost by mistake
