#!/bin/sh
# The run of docs/language-results.md: a part for each size and seed, merged. Started again, it goes
# on where it was cut short.
#
#   sh bench_cases/language_run.sh reports/language [option of pytest]...
#
# SIZES are presets, SEEDS of all of them, METHODS as --bench-methods takes them.
set -eu
. "$(dirname "$0")/parts.sh"
folder=$1
shift
mkdir -p "$folder"
methods=${METHODS:-paper,autocast,steganographic+lowrank,steganographic+pruning}

for size in ${SIZES:-quick standard paper}; do
    for seed in ${SEEDS:-101 102 103 104 105}; do
        part "$folder/$size-$seed" bench_cases/test_language.py --bench-preset="$size" \
            --bench-data="${TEXT:-topics}" --bench-methods="$methods" --bench-seed="$seed" "$@"
    done
    energybench merge "$folder/$size"-*.json -o "$folder/$size.json" --overwrite || [ $? -eq 1 ]
    energybench report "$folder/$size.json" -o "$folder/$size.html"
done
