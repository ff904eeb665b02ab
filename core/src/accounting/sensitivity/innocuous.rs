//! Instructions that touch privileged state and do no harm, on a condition that the hypervisor
//! can fulfil.

use paravane_cpu::Sensitive;

use super::row::InWorld::Native;
use super::row::Kind::BehaviourByResource;
use super::row::SensitiveInstruction as Row;

const TIME: &str = "#GP, if CR4.TSD is set: so a hypervisor can make it trap";
const BASES: &str = "#UD, if CR4.FSGSBASE is clear or the code is not 64-bit";

pub(super) const RDTSC: Row = Row::innocuous(
    Sensitive::Rdtsc,
    &[BehaviourByResource],
    TIME,
    "Reads the time-stamp counter. Not on Robin and Irvine's list, but it shows how long the \
     hypervisor took. Here guest time includes that, as a guest sees it whose counter nobody \
     offsets.",
);

pub(super) const RDTSCP: Row = Row::innocuous(
    Sensitive::Rdtscp,
    &[BehaviourByResource],
    TIME,
    "RDTSC, and the number of the processor from TSC_AUX. Not on a CPU of 1998.",
);

pub(super) const READ_BASE: Row = Row::innocuous(
    Sensitive::ReadBase,
    &[],
    BASES,
    "Reads the base of FS or GS. The guest's bases are in the real registers while it runs, so it \
     sees its own. Not on a CPU of 1998.",
);

pub(super) const WRITE_BASE: Row = Row::innocuous(
    Sensitive::WriteBase,
    &[],
    BASES,
    "Writes the base of FS or GS. It may do so in any ring; the hypervisor saves the registers when \
     the guest leaves. Not on a CPU of 1998.",
);

pub(super) const PAUSE: Row = Row {
    trap: Native,
    condition: None,
    ..Row::innocuous(
        Sensitive::Pause,
        &[],
        "",
        "Says that a loop waits. Hypervisors that share a processor between guests like to know; \
         nothing depends on it.",
    )
};
