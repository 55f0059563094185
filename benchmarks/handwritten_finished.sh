#!/usr/bin/env bash
# What people write by hand to see a job through: sync code and data, run it, look at its log. The host is `box`.
#   handwritten_finished.sh SSH_CONFIG CODE DATA FOLDER_ON_HOST
set -euo pipefail
config=$1 code=$2 data=$3 work=$4
run=run-$(date +%s%N)

rsync -a --delete --exclude .git -e "ssh -F $config" "$code/" "box:$work/code/"
rsync -a --delete -e "ssh -F $config" "$data/" "box:$work/data/"
ssh -F "$config" box "mkdir -p $work/runs/$run && cd $work/code && echo done >$work/runs/$run/log 2>&1"
ssh -F "$config" box "cat $work/runs/$run/log"
