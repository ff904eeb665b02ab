//! Runs an ELF file in the paravirtual world, and prints the ledger: a tool for work on the ABI.
//! Usage: `cargo run --release -p paravane-pv --example pv -- GUEST.elf [command line]`
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::unwrap_used, reason = "a tool")]

use paravane_core::accounting::{Costs, Share};
use paravane_core::guest_image::{GuestImage, LoadOptions};
use paravane_core::hypervisor::paravirt::ParavirtualMachine;
use paravane_pv::Xen;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let image = GuestImage::parse(&bytes, &path).unwrap();
    let options =
        LoadOptions { command_line: arguments.next().unwrap_or_default(), ..Default::default() };
    let costs = Costs::preset("teaching").unwrap();
    let mut machine =
        ParavirtualMachine::new(Box::new(Xen::default()), &image, &options, 64 << 20, costs)
            .unwrap();
    let start = std::time::Instant::now();
    loop {
        let ended = machine.run(100_000_000);
        print!("{}", String::from_utf8_lossy(&machine.host.board.take_console_output()));
        if ended.is_final() || ended == paravane_core::hypervisor::paravirt::Ended::Idle {
            eprintln!("{ended}");
            break;
        }
    }
    let host = &machine.host;
    eprintln!("{:?} for {} instructions", start.elapsed(), host.cpu.instructions);
    for (cause, row) in host.ledger.rows() {
        eprintln!(
            "{:28} {:8} exits {:12} cycles",
            cause.name(),
            row.exits,
            row.cycles(&host.costs)
        );
    }
    for share in Share::ALL {
        eprintln!("{:28} {:27} cycles", share.name(), host.cycles_of(*share));
    }
}
