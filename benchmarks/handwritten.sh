#!/usr/bin/env bash
# What people write by hand: sync the code, sync the data, start it in the background. The host is `box` of SSH_CONFIG.
#   handwritten.sh SSH_CONFIG CODE DATA FOLDER_ON_HOST
# It does less than `jobctl submit`: no snapshot of the code, nothing checked by hash, nobody who knows how the run ended.
set -euo pipefail
config=$1 code=$2 data=$3 work=$4
run=run-$(date +%s%N)

rsync -a --delete --exclude .git -e "ssh -F $config" "$code/" "box:$work/code/"
rsync -a --delete -e "ssh -F $config" "$data/" "box:$work/data/"
ssh -F "$config" box "mkdir -p $work/runs/$run && cd $work/code && . $work/venv/bin/activate &&
    nohup true >$work/runs/$run/log 2>&1 </dev/null & echo $run"
