#!/bin/sh
# The published run: a part for each seed, merged. Started again, it goes on where it was cut short.
#
#   sh bench_cases/published_run.sh reports/reproduction [option of pytest]...
#
# SEEDS are of all models, MORE_SEEDS of the light ones alone, METHODS as --bench-methods takes them.
set -eu
folder=$1
shift
mkdir -p "$folder"
combined=steganographic+channel,steganographic+pruning,steganographic+lowrank
methods=${METHODS:-paper,autocast,channel,$combined}

part() { # SEED [option]...
    seed=$1
    shift
    done=$folder/seed-$seed.json
    if [ -e "$done" ]; then return; fi
    status=0
    python -m pytest bench_cases/test_paper.py --bench-methods="$methods" --bench-seed="$seed" \
        --energy-resume --energy-report-dir="$folder/seed-$seed" --energy-json="$done.part" "$@" \
        || status=$?
    # 1: a gate failed, which is a result. Anything else: the part was cut short.
    if [ "$status" -gt 1 ]; then exit "$status"; fi
    mv "$done.part" "$done"
}

for seed in ${SEEDS:-101 102 103}; do part "$seed" "$@"; done
for seed in ${MORE_SEEDS-104 105}; do part "$seed" -m "not (vgg16 or convnext_base)" "$@"; done
energybench merge "$folder"/seed-*.json -o "$folder/energy.json" --overwrite || [ $? -eq 1 ]
energybench report "$folder/energy.json" -o "$folder/energy.html"
