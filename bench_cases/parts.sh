# For the runs that are made in parts: sourced, not run.

# Run pytest as one part; a part that is there is not made again, one that was cut short goes on.
part() { # NAME [argument of pytest]...
    name=$1
    shift
    if [ -e "$name.json" ]; then return; fi
    status=0
    python -m pytest "$@" --energy-resume --energy-report-dir="$name" \
        --energy-json="$name.json.part" || status=$?
    # 1: a gate failed, which is a result. Anything else: the part was cut short.
    if [ "$status" -gt 1 ]; then exit "$status"; fi
    mv "$name.json.part" "$name.json"
}
