#!/bin/sh
# The published run: a part for each seed, merged. Started again, it goes on where it was cut short.
#
#   sh bench_cases/published_run.sh reports/reproduction [option of pytest]...
#
# SEEDS are of all models, MORE_SEEDS of the light ones alone, METHODS as --bench-methods takes them.
set -eu
. "$(dirname "$0")/parts.sh"
folder=$1
shift
mkdir -p "$folder"
combined=steganographic+channel,steganographic+pruning,steganographic+lowrank
methods=${METHODS:-paper,autocast,channel,$combined}

trained() { # SEED [option]...
    seed=$1
    shift
    part "$folder/seed-$seed" bench_cases/test_paper.py --bench-methods="$methods" \
        --bench-seed="$seed" "$@"
}

for seed in ${SEEDS:-101 102 103}; do trained "$seed" "$@"; done
for seed in ${MORE_SEEDS-104 105}; do trained "$seed" -m "not (vgg16 or convnext_base)" "$@"; done
energybench merge "$folder"/seed-*.json -o "$folder/energy.json" --overwrite || [ $? -eq 1 ]
energybench report "$folder/energy.json" -o "$folder/energy.html"
