//! The host CPU as a [`Subject`]: runs one instruction natively and catches what happens.
//!
//! ```text
//!   execute ─► trampoline: load all registers, iretq ─► the instruction ─► int3 wherever RIP is now
//!      ▲                                                     │ or a fault        │
//!      └── trampoline: back on our stack ◄── signal handler: keep the registers ◄┘
//! ```
//!
//! This module and its two children hold all `unsafe` of the crate. The invariants:
//!
//! 1. At most one thread of a process has [`Native`]s (a global lock), they stay on that thread (`!Send`), and while one
//!    exists the windows are mapped and the signal handlers and the alternate stack are installed.
//! 2. Machine code runs only between `trampoline::enter` and the first signal. The code window holds `int3` wherever
//!    the instruction isn't, and isn't writable; so exactly one instruction (or none, if its fetch faults) completes.
//! 3. The caller passes only instructions that [`crate::exclusions`] lets through, with registers chosen by
//!    [`crate::cases`]: whatever they touch is a window or the unmapped range around it.
//! 4. The handler acts only on the thread and in the time span of 2; every other signal gets its default action.

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod mapping;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod signals;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod trampoline;

use crate::state::{Mode, Outcome, State, Subject};
use crate::windows::Scratch;

/// Why there's no referee on this machine.
#[derive(Debug, thiserror::Error)]
pub enum Unavailable {
    /// Not an x86-64 Linux host.
    #[error("the host-CPU referee needs x86-64 Linux")]
    Platform,
    /// The windows' fixed addresses are in use, or memory can't be made executable.
    #[error("cannot set up {what}: {error}")]
    Setup {
        /// What was being set up.
        what: &'static str,
        /// The operating system's reason.
        error: std::io::Error,
    },
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
pub use host::Native;
#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
pub use nowhere::Native;

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod host {
    use std::cell::RefCell;
    use std::rc::{Rc, Weak};
    use std::sync::{Mutex, MutexGuard, PoisonError};

    use super::mapping::Windows;
    use super::signals::{Handlers, Stopped};
    use super::{Mode, Outcome, Scratch, State, Subject, Unavailable, signals, trampoline};
    use crate::state::{Fault, flags, selectors};
    use crate::windows::{CODE_START, CODE_WINDOW_SIZE, CODE_WINDOW_START};

    /// Held by the thread that has the host CPU. The windows' addresses exist only once.
    static OWNER: Mutex<()> = Mutex::new(());

    thread_local! {
        static HOST: RefCell<Weak<RefCell<Host>>> = const { RefCell::new(Weak::new()) };
    }

    /// The host CPU. Several on one thread share the windows; other threads wait.
    #[derive(Clone, Debug)]
    pub struct Native {
        host: Rc<RefCell<Host>>,
    }

    #[derive(Debug)]
    struct Host {
        // Order matters: fields are dropped in this order, and the lock must be given up last.
        _handlers: Handlers,
        windows: Windows,
        _lock: MutexGuard<'static, ()>,
        code: Vec<u8>,
    }

    impl Native {
        /// Maps the windows and installs the signal handlers, until the thread's last one is dropped. Waits while
        /// another thread has them.
        ///
        /// # Errors
        ///
        /// If the operating system refuses.
        pub fn new() -> Result<Native, Unavailable> {
            if let Some(host) = HOST.with_borrow(Weak::upgrade) {
                return Ok(Native { host });
            }
            let lock = OWNER.lock().unwrap_or_else(PoisonError::into_inner);
            let windows = Windows::map()?;
            let host = Rc::new(RefCell::new(Host {
                _handlers: Handlers::install()?,
                windows,
                _lock: lock,
                code: Vec::new(),
            }));
            HOST.set(Rc::downgrade(&host));
            Ok(Native { host })
        }
    }

    impl Host {
        fn outcome(&self, mode: Mode, stopped: &Stopped) -> Outcome {
            let mut state = State {
                gpr: stopped.gpr,
                rflags: stopped.rflags,
                rip: stopped.rip.wrapping_sub(CODE_START),
            }
            .truncated(mode);
            let in_code = |address: u64| address.wrapping_sub(CODE_START) < self.code.len() as u64;
            match stopped.trap_number {
                // The int3 after the instruction, wherever that went: undo its step.
                3 if !in_code(stopped.rip.wrapping_sub(1)) => {
                    let landed = stopped.rip.wrapping_sub(1);
                    if landed.wrapping_sub(CODE_WINDOW_START) >= CODE_WINDOW_SIZE as u64 {
                        return Outcome::Broken(format!(
                            "int3 outside the code window, at {landed:#x}"
                        ));
                    }
                    state.rip = state.rip.wrapping_sub(1) & mode.register_mask();
                    Outcome::Completed(state)
                }
                // The fetch after a branch out of the window.
                14 if stopped.error_code & signals::INSTRUCTION_FETCH != 0
                    && stopped.rip != CODE_START =>
                {
                    Outcome::Completed(state)
                }
                vector => {
                    let vector = vector as u8;
                    let pushes_error_code = matches!(vector, 8 | 10..=14 | 17 | 21);
                    let fault = Fault {
                        vector,
                        error_code: pushes_error_code.then_some(stopped.error_code as u32),
                        address: (vector == 14).then_some(stopped.address),
                    };
                    Outcome::Fault { fault, state }
                }
            }
        }
    }

    impl Subject for Native {
        fn execute(
            &mut self,
            mode: Mode,
            code: &[u8],
            before: &State,
            memory: &mut Scratch,
        ) -> Outcome {
            self.host.borrow_mut().execute(mode, code, before, memory)
        }
    }

    impl Host {
        fn execute(
            &mut self,
            mode: Mode,
            code: &[u8],
            before: &State,
            memory: &mut Scratch,
        ) -> Outcome {
            if self.code != code {
                self.windows.set_code(code);
                self.code = code.to_vec();
            }
            self.windows.load(memory);
            let before = before.truncated(mode);
            let mut entry = trampoline::Entry::with_registers(&before.gpr);
            entry.rip = CODE_START.wrapping_add(before.rip);
            entry.rflags = before.rflags & !flags::RF | flags::ONE | flags::IF;
            entry.ss = u64::from(selectors::DATA);
            entry.cs = u64::from(match mode {
                Mode::Long64 => selectors::CS_64,
                Mode::Compat32 => selectors::CS_32,
            });
            let stopped = signals::run(&self.windows, &entry);
            self.windows.store(memory);
            self.outcome(mode, &stopped)
        }
    }
}

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
mod nowhere {
    use super::{Mode, Outcome, Scratch, State, Subject, Unavailable};

    /// The host CPU, which isn't available here.
    #[derive(Debug)]
    pub enum Native {}

    impl Native {
        /// Always [`Unavailable::Platform`] on this host.
        pub fn new() -> Result<Native, Unavailable> {
            Err(Unavailable::Platform)
        }
    }

    impl Subject for Native {
        fn execute(&mut self, _: Mode, _: &[u8], _: &State, _: &mut Scratch) -> Outcome {
            match *self {}
        }
    }
}
