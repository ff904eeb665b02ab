#!/bin/sh
# Runs guests as the first domain (dom0) of a genuine Xen, itself in QEMU, and compares their
# consoles with expected.txt, which QEMU alone printed.
# Usage: check-xen.sh xen.elf [guest...]      (default: every guest whose worlds name "pv")
# xen.elf is boot/xen-*.gz of a Xen package, uncompressed.
set -eu
[ $# -gt 0 ] || { sed -n 's/^# Usage/usage/p' "$0" >&2; exit 2; }
xen=$(realpath "$1")
shift
cd "$(dirname "$0")"
scratch=$(mktemp -d)
qemu=
trap '[ -z "$qemu" ] || kill "$qemu" 2>/dev/null || true; rm -rf "$scratch"' EXIT

manifest_value() {
    sed -n "s/^$2 *= *//p" "$1/guest.toml" | sed 's/^"\(.*\)"$/\1/'
}

# Waits, up to 60 seconds, until $1 lines of the console match $2.
wait_for() {
    tries=600
    while [ "$(grep -c "$2" "$scratch/console" || true)" -lt "$1" ]; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] && kill -0 "$qemu" 2>/dev/null || return 1
        sleep 0.1
    done
}

run_guest() {
    mkfifo "$scratch/typing"
    : >"$scratch/console"
    qemu-system-x86_64 -m 512 -cpu max -kernel "$xen" -initrd "$1/$1.elf $(manifest_value "$1" append)" \
        -append "console=com1 com1=115200,8n1 dom0=pv dom0_mem=128M" -display none -serial stdio -no-reboot \
        <"$scratch/typing" >"$scratch/console" 2>"$scratch/complaints" &
    qemu=$!
    exec 3>"$scratch/typing"
    # Xen keeps only 32 characters for a domain that is busy: type a line at each prompt.
    prompts=0
    printf '%b' "$(manifest_value "$1" input)" >"$scratch/input"
    while read -r line; do
        prompts=$((prompts + 1))
        wait_for $prompts '^> ' || break
        printf '%s\n' "$line" >&3
    done <"$scratch/input"
    wait_for 1 '^(XEN) Hardware Dom0' || echo "$1: did not end" >&2
    exec 3>&-
    kill "$qemu" 2>/dev/null || true
    wait "$qemu" || true
    qemu=
    rm "$scratch/typing"
}

if [ $# -eq 0 ]; then
    set -- $(grep -l '^worlds *=.*"pv"' */guest.toml)
fi
failed=0
for guest in "$@"; do
    guest=${guest%/guest.toml}
    run_guest "$guest"
    tr -d '\r' <"$scratch/console" | grep -v -e '^(XEN)' -e '^~ ' | sed -n '/./,$p' | sed '1s/^.*\x1b\[[0-9;]*[A-Za-z]//' >"$scratch/facts"
    grep -v '^~ ' "$guest/expected.txt" >"$scratch/expected"
    if diff "$scratch/expected" "$scratch/facts"; then
        echo "$guest: the same on Xen, $(wc -l <"$scratch/facts") lines"
    else
        echo "$guest: differs on Xen" >&2
        failed=1
    fi
done
exit $failed
