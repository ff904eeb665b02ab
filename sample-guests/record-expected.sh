#!/bin/sh
# Records <guest>/expected.txt: what each guest prints under QEMU, the referee of the bare
# world. Runs each guest three times; refuses to record when a line without "~ " differs.
# Usage: record-expected.sh [guest...]      (default: every guest whose worlds name "bare")
set -eu
cd "$(dirname "$0")"
runs=3
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# The value of a one-line key of guest.toml: a number, or a "string" with \n in it.
manifest_value() {
    sed -n "s/^$2 *= *//p" "$1/guest.toml" | sed 's/^"\(.*\)"$/\1/'
}

run_guest() {
    printf '%b' "$(manifest_value "$1" input)" >"$scratch/input"
    status=0
    timeout 60 qemu-system-x86_64 -m "$(manifest_value "$1" memory_mib)" -kernel "$1/$1.elf" \
        -append "$(manifest_value "$1" append)" -display none -serial stdio -no-reboot \
        -device isa-debug-exit,iobase=0xf4,iosize=0x04 <"$scratch/input" >"$2" || status=$?
    # QEMU's own failures end with status 1, too: then nothing was printed.
    [ -s "$2" ] || status=silence
    # isa-debug-exit turns the guest's exit value into 2 * value + 1.
    expected=$((2 * $(manifest_value "$1" exit_code) + 1))
    if [ "$status" != "$expected" ]; then
        echo "$1: QEMU ended with status $status instead of $expected; its last lines:" >&2
        tail -n 5 "$2" >&2
        exit 1
    fi
}

[ $# -gt 0 ] || set -- $(grep -l '^worlds *=.*"bare"' */guest.toml)
for guest in "$@"; do
    guest=${guest%/guest.toml}
    for run in $(seq $runs); do
        run_guest "$guest" "$scratch/$run"
        grep -v '^~ ' "$scratch/$run" >"$scratch/$run.facts" || true
        if ! diff "$scratch/1.facts" "$scratch/$run.facts" >&2; then
            echo "$guest: runs 1 and $run differ" >&2
            exit 1
        fi
    done
    cp "$scratch/1" "$guest/expected.txt"
    echo "$guest: $(wc -l <"$guest/expected.txt") lines, the same in $runs runs"
done
