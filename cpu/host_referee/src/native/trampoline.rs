//! The way into the instruction, the way out of the signal handler, and nothing else.
#![allow(unsafe_code, reason = "loads and saves every register; see the invariants in native.rs")]

use std::arch::naked_asm;

use crate::state::RSP;

/// The registers to start with, in the order in which [`enter`] pops them; the last five are what `iretq` pops.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Entry {
    r15_to_r8: [u64; 8],
    rdi: u64,
    rsi: u64,
    rbp: u64,
    rbx: u64,
    rdx: u64,
    rcx: u64,
    rax: u64,
    /// Where to start.
    pub rip: u64,
    /// The code segment, and with it the mode.
    pub cs: u64,
    /// RFLAGS.
    pub rflags: u64,
    rsp: u64,
    /// The stack segment.
    pub ss: u64,
}

impl Entry {
    /// All general-purpose registers, in the architecture's order; the rest is zero.
    pub fn with_registers(gpr: &[u64; 16]) -> Entry {
        let mut r15_to_r8 = [0; 8];
        for (slot, value) in r15_to_r8.iter_mut().zip(gpr.iter().rev()) {
            *slot = *value;
        }
        Entry {
            r15_to_r8,
            rax: gpr[0],
            rcx: gpr[1],
            rdx: gpr[2],
            rbx: gpr[3],
            rsp: gpr[RSP],
            rbp: gpr[5],
            rsi: gpr[6],
            rdi: gpr[7],
            ..Entry::default()
        }
    }
}

/// Starts the program that `entry` describes, and returns when [`leave`] is reached on the same thread.
///
/// `home` receives this function's stack pointer, for `leave` to find.
///
/// # Safety
///
/// `entry` and `home` must be valid, signal handlers must be on an alternate stack, and one of them must continue at
/// `leave` with that stack pointer in RDI: the program must not get anywhere else.
#[unsafe(naked)]
pub unsafe extern "C" fn enter(entry: *const Entry, home: *mut u64) {
    naked_asm!(
        // Everything that the C calling convention wants back.
        "push rbp",
        "push rbx",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "mov [rsi], rsp",
        // Compatibility mode needs usable data segments; 64-bit mode doesn't look at them.
        "mov eax, 0x2b",
        "mov ds, eax",
        "mov es, eax",
        "mov rsp, rdi",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop r11",
        "pop r10",
        "pop r9",
        "pop r8",
        "pop rdi",
        "pop rsi",
        "pop rbp",
        "pop rbx",
        "pop rdx",
        "pop rcx",
        "pop rax",
        // RIP, CS, RFLAGS, RSP and SS at once, with a change of mode if CS says so.
        "iretq",
    )
}

/// The signal handler's entry: tidies the flags up, calls [`super::signals::record`], and goes home if that says so.
///
/// The kernel has cleared TF and DF, but AC may be set, and Rust code makes unaligned accesses.
///
/// # Safety
///
/// Only the kernel calls it, as an `SA_SIGINFO` handler on an alternate stack.
#[unsafe(naked)]
pub unsafe extern "C" fn handle(
    signal: i32,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    naked_asm!(
        "push 0x202",
        "popfq",
        "sub rsp, 8", // keeps calls aligned
        "call {record}",
        "test rax, rax",
        "jnz 2f",
        "add rsp, 8",
        "ret", // to the C library's sigreturn: the interrupted code goes on
        "2:",
        "mov rdi, rax",
        "jmp {leave}",
        record = sym super::signals::record,
        leave = sym leave,
    )
}

/// Returns from the [`enter`] whose stack pointer is `home`, dropping the signal frame without a system call. The
/// kernel tells from the stack pointer that the alternate stack is free again, and handlers run with nothing blocked.
#[unsafe(naked)]
unsafe extern "C" fn leave(home: u64) {
    naked_asm!(
        "mov rsp, rdi",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
        "ret",
    )
}
