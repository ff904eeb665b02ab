#!/usr/bin/env python3
"""Times compute/compute.elf on Paravane, QEMU (TCG) and Bochs, in turn, and prints medians.

What is timed is the guest's loop: from its line "begin" to its line "checksum", so that starting
and booting don't count. Needs qemu-system-i386; Bochs too if it is installed, with GRUB's tools to
make an image that it can boot: bochs bochs-x bochsbios xvfb grub-pc-bin xorriso mtools.

Usage: peers.py [RUNS]
"""

import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
ELF = os.path.join(HERE, "compute", "compute.elf")
INSTRUCTIONS = 270e6  # What Paravane reports for the whole guest; the loop is all but 0.001 %.


def timed_lines(command):
    """Runs a command; the seconds between "begin" and "checksum", and the checksum."""
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    text, begun, ended, limit = b"", None, None, time.monotonic() + 120
    while time.monotonic() < limit:
        part = os.read(process.stdout.fileno(), 4096)
        now = time.monotonic()
        text += part
        if begun is None and b"begin\n" in text:
            begun = now
        if ended is None and b"checksum " in text:
            ended = now
        if ended and b"\n" in text.split(b"checksum ")[1] or not part:
            break
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if not ended:
        raise SystemExit(f"{command[0]}: no checksum; it printed {text!r}")
    return ended - begun, text.split(b"checksum ")[1].split()[0].decode()


def bochs(directory):
    """The command that boots the guest in Bochs."""
    tree = os.path.join(directory, "tree", "boot", "grub")
    os.makedirs(tree)
    shutil.copy(ELF, os.path.join(directory, "tree", "boot"))
    with open(os.path.join(tree, "grub.cfg"), "w") as file:
        file.write("set timeout=0\nmenuentry c {\nmultiboot /boot/compute.elf\nboot\n}\n")
    image = os.path.join(directory, "compute.iso")
    subprocess.run(
        ["grub-mkrescue", "-o", image, os.path.join(directory, "tree")],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    settings = f"""megs: 64
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
ata0-master: type=cdrom, path={image}, status=inserted
boot: cdrom
display_library: x
port_e9_hack: enabled=1
log: {directory}/log
panic: action=fatal
"""
    with open(os.path.join(directory, "settings"), "w") as file:
        file.write(settings)
    with open(os.path.join(directory, "commands"), "w") as file:
        file.write("c\n")
    settings, commands = os.path.join(directory, "settings"), os.path.join(directory, "commands")
    return ["xvfb-run", "-a", "bochs", "-q", "-f", settings, "-rc", commands]


def main():
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    paravane = os.path.join(ROOT, "target", "release", "paravane")
    qemu = ["qemu-system-i386", "-m", "64", "-kernel", ELF, "-display", "none", "-serial", "stdio",
            "-no-reboot", "-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"]
    with tempfile.TemporaryDirectory() as directory:
        peers = {"paravane": [paravane, "run", ELF], "qemu": qemu}
        if shutil.which("bochs") and shutil.which("grub-mkrescue"):
            peers["bochs"] = bochs(directory)
        seconds, checksums = {name: [] for name in peers}, set()
        for _ in range(runs):
            for name, command in peers.items():
                elapsed, checksum = timed_lines(command)
                seconds[name].append(elapsed)
                checksums.add(checksum)
    if len(checksums) != 1:
        raise SystemExit(f"the checksums differ: {checksums}")
    ours = statistics.median(seconds["paravane"])
    for name, values in seconds.items():
        middle = statistics.median(values)
        print(f"{name:9} {middle:7.3f} s  ({min(values):.3f} to {max(values):.3f})  "
              f"{INSTRUCTIONS / middle / 1e6:6.0f} MIPS  speed of paravane: {middle / ours:5.2f}x")


main()
