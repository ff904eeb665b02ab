//! Instructions that enter the hypervisor by themselves: they go where tables and registers say
//! that the hypervisor owns.

use paravane_cpu::{Sensitive, Vector};

use super::row::InWorld::{Enters, Replaced};
use super::row::SensitiveInstruction as Row;

pub(super) const INTERRUPT: Row = Row::doorway(
    Sensitive::Interrupt,
    Enters,
    "Calls an interrupt handler: one of the real table, which is the hypervisor's. Robin and Irvine \
     list it because the gate's privilege is checked against the real ring; but with or without \
     #GP it ends in the hypervisor, so nothing is silent.",
)
.listed("INT")
.on_condition("#GP, if the gate is for inner rings: in the hypervisor, too");

pub(super) const SYSCALL: Row = Row::doorway(
    Sensitive::Syscall,
    Enters,
    "Calls whoever owns the register LSTAR: the hypervisor. From a program it becomes a system call \
     of the guest's kernel; from a paravirtual kernel it is a hypercall. Intel has it since 2004, \
     AMD since 1997.",
)
.on_condition("#UD, if EFER.SCE is clear");

pub(super) const SYSENTER: Row = Row::doorway(
    Sensitive::Sysenter,
    Replaced("is not used by 64-bit kernels"),
    "Calls whoever owns the SYSENTER registers: the hypervisor, which passes it on.",
)
.on_condition("#GP, if IA32_SYSENTER_CS is 0");

pub(super) const VMCALL: Row = Row::doorway(
    Sensitive::Vmcall,
    Replaced("is not used: Xen's paravirtual guests call by SYSCALL"),
    "Intel's hypercall. A deliberate trap: no instruction is decoded and none is emulated. Without \
     a hypervisor that takes it, it raises #UD in every ring. Not on a CPU of 1998.",
)
.raising(Vector::InvalidOpcode);

pub(super) const VMMCALL: Row = Row::doorway(
    Sensitive::Vmmcall,
    Replaced("is not used: Xen's paravirtual guests call by SYSCALL"),
    "AMD's hypercall. Without a hypervisor that takes it, it raises #UD in every ring. Not on a CPU \
     of 1998.",
)
.raising(Vector::InvalidOpcode);
