#!/bin/sh
# The paper's Section 4 asks for looser thresholds: the same cases with other tolerated drops of
# accuracy, a run file for each. Started again, it goes on where it was cut short.
#
#   sh bench_cases/threshold_sweep.sh reports/threshold [option of pytest]...
#
# MODELS as -k takes them, DROPS are fractions, METHODS as --bench-methods takes them, SEED is one.
set -eu
. "$(dirname "$0")/parts.sh"
folder=$1
shift
mkdir -p "$folder"
combined=steganographic+channel,steganographic+pruning,steganographic+lowrank
methods=${METHODS:-steganographic,channel,lowrank,$combined}

for drop in ${DROPS:-0.005 0.01 0.02 0.05}; do
    part "$folder/drop-$drop" bench_cases/test_paper.py -k "${MODELS:-resnet18}" \
        --bench-max-drop="$drop" --bench-methods="$methods" --bench-seed="${SEED:-101}" "$@"
done
