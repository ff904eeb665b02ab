//! The signal handlers that catch the instruction's end, and what they saw.
#![allow(unsafe_code, reason = "installs signal handlers; see the invariants in native.rs")]

use std::cell::Cell;
use std::io::Error;
use std::mem::MaybeUninit;
use std::ptr;

use libc::{REG_CR2, REG_EFL, REG_ERR, REG_R8, REG_RIP, REG_TRAPNO, c_int};
use libc::{SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGTRAP};

use super::Unavailable;
use super::mapping::Windows;
use super::trampoline::{self, Entry};

/// The page-fault error code's bit for instruction fetches.
pub const INSTRUCTION_FETCH: u64 = 1 << 4;

const SIGNALS: [c_int; 5] = [SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP];
const STACK_SIZE: usize = 256 * 1024;

/// The registers at the moment of the signal.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stopped {
    /// General-purpose registers in the architecture's order.
    pub gpr: [u64; 16],
    /// RFLAGS.
    pub rflags: u64,
    /// RIP.
    pub rip: u64,
    /// The exception's vector.
    pub trap_number: u64,
    /// Its error code, or 0.
    pub error_code: u64,
    /// CR2, if it was a page fault.
    pub address: u64,
}

/// The order of the general-purpose registers in the kernel's signal frame.
const FRAME_ORDER: [usize; 16] = [8, 9, 10, 11, 12, 13, 14, 15, 7, 6, 5, 3, 2, 0, 1, 4];

thread_local! {
    /// The stack pointer to go home with while an instruction runs on this thread, else 0.
    static HOME: Cell<u64> = const { Cell::new(0) };
    static STOPPED: Cell<Stopped> = const {
        Cell::new(Stopped { gpr: [0; 16], rflags: 0, rip: 0, trap_number: 0, error_code: 0, address: 0 })
    };
}

/// Starts `entry` and returns how it stopped.
pub fn run(_windows: &Windows, entry: &Entry) -> Stopped {
    HOME.with(|home| {
        // SAFETY: `entry` and `home` are valid. The windows are mapped (`_windows` exists, and its owner has the
        // handlers too), so whatever `entry` starts ends in `handle`, which goes to `leave` with what `enter` stored.
        unsafe { trampoline::enter(entry, home.as_ptr()) };
        home.set(0);
    });
    STOPPED.get()
}

/// Called by [`trampoline::handle`]: keeps the registers and returns where to go home, or 0 for a signal that isn't ours.
pub extern "C" fn record(
    signal: c_int,
    _info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) -> u64 {
    let home = HOME.get();
    if home == 0 {
        // SAFETY: sets the default action; then the interrupted instruction runs again and ends the process.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
        return 0;
    }
    // SAFETY: the kernel passes an SA_SIGINFO handler a pointer to a ucontext_t that lives until the handler ends.
    let registers = unsafe { &(*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs };
    let register = |index: c_int| registers[index as usize] as u64;
    let mut stopped = Stopped {
        gpr: [0; 16],
        rflags: register(REG_EFL),
        rip: register(REG_RIP),
        trap_number: register(REG_TRAPNO),
        error_code: register(REG_ERR),
        address: register(REG_CR2),
    };
    for (index, gpr) in (REG_R8..).zip(FRAME_ORDER) {
        stopped.gpr[gpr] = register(index);
    }
    STOPPED.set(stopped);
    home
}

/// The installed handlers and their stack; dropping them restores what was there before.
#[derive(Debug)]
pub struct Handlers {
    previous_stack: libc::stack_t,
    previous_actions: Vec<(c_int, libc::sigaction)>,
    _stack: Box<[u8]>,
}

impl Handlers {
    /// Installs them for the process (the actions) and this thread (the stack).
    pub fn install() -> Result<Handlers, Unavailable> {
        let mut stack = vec![0_u8; STACK_SIZE].into_boxed_slice();
        let ours =
            libc::stack_t { ss_sp: stack.as_mut_ptr().cast(), ss_flags: 0, ss_size: STACK_SIZE };
        let mut previous_stack = MaybeUninit::uninit();
        // SAFETY: the stack lives in `Handlers`, whose drop takes it out of use before freeing it.
        if unsafe { libc::sigaltstack(&ours, previous_stack.as_mut_ptr()) } != 0 {
            return Err(failed("the alternate signal stack"));
        }
        let mut handlers = Handlers {
            // SAFETY: a successful sigaltstack has filled it in.
            previous_stack: unsafe { previous_stack.assume_init() },
            previous_actions: Vec::new(),
            _stack: stack,
        };
        for signal in SIGNALS {
            // SAFETY: all-zero is a valid sigaction; `handle` has the SA_SIGINFO signature.
            unsafe {
                let mut action: libc::sigaction = std::mem::zeroed();
                let handler: unsafe extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void) =
                    trampoline::handle;
                action.sa_sigaction = handler as usize;
                action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
                let mut previous = MaybeUninit::uninit();
                if libc::sigaction(signal, &action, previous.as_mut_ptr()) != 0 {
                    return Err(failed("a signal handler"));
                }
                handlers.previous_actions.push((signal, previous.assume_init()));
            }
        }
        Ok(handlers)
    }
}

impl Drop for Handlers {
    fn drop(&mut self) {
        // SAFETY: restores exactly what the kernel reported at installation. `Native` isn't Send, so this is the thread
        // that the stack belongs to.
        unsafe {
            for (signal, action) in &self.previous_actions {
                libc::sigaction(*signal, action, ptr::null_mut());
            }
            libc::sigaltstack(&self.previous_stack, ptr::null_mut());
        }
    }
}

fn failed(what: &'static str) -> Unavailable {
    Unavailable::Setup { what, error: Error::last_os_error() }
}
