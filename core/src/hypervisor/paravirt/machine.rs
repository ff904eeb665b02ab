//! The loop of the paravirtual world: enter, ask the personality, charge, resume.

use std::fmt;

use paravane_cpu::timing::Counts;
use paravane_cpu::{Bus, Exit, Intercepts, PAGE_SHIFT, Sensitive, Vector};

use super::ended::Ended;
use super::host_services::{HostServices, PendingCharges};
use super::{BuildError, Handled, Next, ParavirtAbi, Stop, own_devices};
use crate::accounting::{Cause, Costs, Primitive};
use crate::guest_image::{GuestImage, LoadOptions};
use crate::hypervisor::frames::GuestMap;
use crate::hypervisor::host::Host;
use crate::log::Privilege;

/// Machine frames beside those of the guest and of the personality's tables.
const SPARE_FRAMES: u64 = 256;

/// Exits without any guest time passing that a guest may have in a row: at prices of nothing,
/// exceptions in a handler's first instruction would otherwise keep the host busy for ever.
const MOST_STALLED: u32 = 1 << 18;

/// Everything leaves: the hypervisor owns all of the processor.
fn intercepts() -> Intercepts {
    let mut intercepts = Intercepts::NONE
        .with_instruction(Sensitive::Syscall)
        .with_instruction(Sensitive::Sysenter)
        .with_instruction(Sensitive::Interrupt);
    for vector in Vector::ALL {
        intercepts = intercepts.with_exception(vector);
    }
    intercepts.external_interrupts = true;
    intercepts.non_maskable_interrupts = true;
    intercepts
}

/// A machine with a hypervisor and one paravirtual guest.
pub struct ParavirtualMachine {
    /// The machine and its books.
    pub host: Host,
    abi: Box<dyn ParavirtAbi>,
    pending: PendingCharges,
    /// The hypervisor has run since the guest was last entered.
    entering: bool,
    /// The primitive that the next entry will be charged as, and to what.
    entry: Option<(Cause, Primitive)>,
    /// Which part of the guest left the CPU last.
    from: Privilege,
    stopped: Option<Ended>,
    /// Exits at one and the same cycle, and that cycle.
    stalled: (u32, u64),
}

impl Clone for ParavirtualMachine {
    fn clone(&self) -> Self {
        Self {
            host: self.host.clone(),
            abi: self.abi.clone_box(),
            pending: self.pending.clone(),
            entering: self.entering,
            entry: self.entry,
            from: self.from,
            stopped: self.stopped.clone(),
            stalled: self.stalled,
        }
    }
}

impl fmt::Debug for ParavirtualMachine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParavirtualMachine")
            .field("abi", &self.abi.name())
            .field("cpu", &self.host.cpu)
            .finish_non_exhaustive()
    }
}

impl ParavirtualMachine {
    /// A machine whose guest has `guest_memory` bytes and is about to execute its first
    /// instruction. Building it takes no guest time.
    ///
    /// # Errors
    /// The image can't be started by this ABI, or does not fit.
    pub fn new(
        mut abi: Box<dyn ParavirtAbi>,
        image: &GuestImage,
        options: &LoadOptions,
        guest_memory: u64,
        costs: Costs,
    ) -> Result<Self, BuildError> {
        let guest_memory =
            guest_memory.clamp(crate::machine::MIN_MEMORY, crate::machine::MAX_MEMORY);
        let guest_frames = guest_memory >> PAGE_SHIFT;
        let frames = guest_frames + SPARE_FRAMES;
        let frames = frames + abi.frames_needed(frames + abi.frames_needed(frames));
        let mut host = Host::new(frames << PAGE_SHIFT, guest_memory, costs);
        let map = GuestMap::allocate(&mut host.frames, guest_frames);
        let mut pending = PendingCharges::default();
        own_devices::take_over(&mut host);
        let mut services = HostServices { host: &mut host, pending: &mut pending };
        abi.build_domain(image, options, map.as_slice(), &mut services)?;
        pending = PendingCharges::default();
        host.cpu.forget_decoded_code();
        host.cpu.refresh();
        let stopped = None;
        Ok(Self {
            host,
            abi,
            pending,
            entering: true,
            entry: None,
            from: Privilege::Kernel,
            stopped,
            stalled: (0, 0),
        })
    }

    /// The personality.
    pub fn abi(&self) -> &dyn ParavirtAbi {
        self.abi.as_ref()
    }

    /// Calls the personality with the machine's services, as the loop does: for tests and tools.
    /// The work is charged to `cause`.
    pub fn with_services<T>(
        &mut self,
        cause: Cause,
        act: impl FnOnce(&mut dyn ParavirtAbi, &mut dyn super::Services) -> T,
    ) -> T {
        let Self { host, abi, pending, .. } = self;
        let result = act(abi.as_mut(), &mut HostServices { host, pending });
        self.pending.settle(&mut self.host, cause);
        self.host.cpu.state_changed();
        result
    }

    /// Runs for at most `budget` cycles of guest time.
    pub fn run(&mut self, budget: u64) -> Ended {
        let end = self.host.cpu.cycles.saturating_add(budget);
        let intercepts = intercepts();
        loop {
            if let Some(ended) = &self.stopped {
                return ended.clone();
            }
            if self.host.cpu.cycles >= self.abi.next_timer() {
                self.timer();
            }
            if self.host.cpu.cycles >= end {
                return Ended::Budget;
            }
            if self.entering && !self.prepare_entry() {
                continue;
            }
            if self.abi.is_waiting() {
                if let Some(ended) = self.sleep(end) {
                    return ended;
                }
                continue;
            }
            let now = self.host.cpu.cycles;
            let budget = end.min(self.abi.next_timer()).saturating_sub(now);
            let before = self.host.cpu.counts();
            self.host.cpu.state_changed();
            self.host.resume();
            let exit = self.host.cpu.run(&mut self.host.board, &intercepts, budget);
            self.from = if self.abi.in_kernel() { Privilege::Kernel } else { Privilege::User };
            self.attribute(before);
            self.left(exit);
        }
    }

    /// Files what the CPU did by itself under the guest's kernel or its programs.
    fn attribute(&mut self, before: [Counts; 2]) {
        let [inner, outer] = self.host.cpu.counts();
        let did = inner.since(&before[0]).plus(&outer.since(&before[1]));
        let share = if self.abi.in_kernel() {
            &mut self.host.ledger.guest_kernel
        } else {
            &mut self.host.ledger.guest_user
        };
        *share = share.plus(&did);
    }

    /// The guest has left the CPU.
    fn left(&mut self, exit: Exit) {
        let now = self.host.cpu.cycles;
        let (exits, cycle) = self.stalled;
        self.stalled = (if cycle == now { exits + 1 } else { 0 }, now);
        if exits > MOST_STALLED {
            let why = "it does nothing but raise exceptions".into();
            self.stopped = Some(Ended::Stopped(Stop::Crashed(why)));
            return;
        }
        match exit {
            Exit::Budget => {}
            Exit::Bus => self.stopped = self.host.board.take_request().map(Ended::from),
            Exit::ExternalInterrupt => self.external_interrupt(),
            Exit::TripleFault(exceptions) => self.stopped = Some(Ended::TripleFault(exceptions)),
            Exit::Unimplemented(what) => self.stopped = Some(Ended::Unimplemented(what)),
            exit if self.abi.claims(&exit) => self.claimed(exit),
            exit => {
                let why = format!("{exit:?} at {:#x}, which nobody handles", self.host.cpu.rip());
                self.stopped = Some(Ended::Stopped(Stop::Crashed(why)));
            }
        }
    }

    /// An exit for the personality: it acts, the ledger is charged, the guest goes on or stops.
    fn claimed(&mut self, exit: Exit) {
        let rip = self.host.cpu.rip();
        let in_kernel = self.abi.in_kernel();
        let Self { host, abi, pending, .. } = self;
        let Handled { cause, next } = abi.handle(exit, &mut HostServices { host, pending });
        let by_syscall = matches!(exit, Exit::Instruction { .. });
        if by_syscall {
            self.retire(in_kernel);
        }
        let (exit, entry) = if by_syscall {
            (Primitive::HypercallExit, Primitive::HypercallEntry)
        } else {
            (Primitive::Exit, Primitive::Entry)
        };
        self.charge_exit(cause, exit, entry, rip);
        if let Next::Stop(stop) = next {
            self.stopped = Some(Ended::Stopped(stop));
        }
        if let Some(request) = self.host.board.take_request() {
            self.stopped = Some(request.into());
        }
    }

    /// The instruction that the hypervisor completed counts as one of the guest. So a guest that
    /// does nothing but call can't hold time still, whatever the prices.
    fn retire(&mut self, in_kernel: bool) {
        self.host.cpu.instructions += 1;
        self.host.cpu.cycles += 1;
        let ledger = &mut self.host.ledger;
        let share = if in_kernel { &mut ledger.guest_kernel } else { &mut ledger.guest_user };
        share.instructions += 1;
    }

    fn charge_exit(&mut self, cause: Cause, exit: Primitive, entry: Primitive, rip: u64) {
        self.note_exit(cause, rip);
        self.host.charge(cause, exit, 1);
        self.host.charge(cause, Primitive::Dispatch, 1);
        self.pending.settle(&mut self.host, cause);
        self.entering = true;
        self.entry = Some((cause, entry));
    }

    fn note_exit(&mut self, cause: Cause, rip: u64) {
        self.host.exit(cause, rip, self.from);
    }

    /// The hypervisor's own timer interrupt.
    fn timer(&mut self) {
        let rip = self.host.cpu.rip();
        let waiting = self.abi.is_waiting();
        let Self { host, abi, pending, .. } = self;
        abi.timer(&mut HostServices { host, pending });
        self.charge_interrupt(rip, waiting);
    }

    /// The hypervisor's console wants attention.
    fn external_interrupt(&mut self) {
        let rip = self.host.cpu.rip();
        let waiting = self.abi.is_waiting();
        own_devices::acknowledge_interrupt(&mut self.host);
        let Self { host, abi, pending, .. } = self;
        abi.console_input(&mut HostServices { host, pending });
        own_devices::end_of_interrupt(&mut self.host);
        self.charge_interrupt(rip, waiting);
    }

    /// An interrupt takes the CPU from the guest, unless that waits.
    fn charge_interrupt(&mut self, rip: u64, waiting: bool) {
        let cause = Cause::ExternalInterrupt;
        if !waiting {
            return self.charge_exit(cause, Primitive::Exit, Primitive::Entry, rip);
        }
        self.note_exit(cause, rip);
        self.host.charge(cause, Primitive::Dispatch, 1);
        self.pending.settle(&mut self.host, cause);
        self.entering = true;
    }

    /// Delivers one event, or if there is none pays for the entry. Returns whether the guest can
    /// be entered.
    fn prepare_entry(&mut self) -> bool {
        let rip = self.host.cpu.rip();
        let Self { host, abi, pending, .. } = self;
        if let Some(handled) = abi.before_entry(&mut HostServices { host, pending }) {
            self.note_exit(handled.cause, rip);
            self.pending.settle(&mut self.host, handled.cause);
            if let Next::Stop(stop) = handled.next {
                self.stopped = Some(Ended::Stopped(stop));
            }
            return false;
        }
        self.entering = false;
        if self.abi.is_waiting() {
            return true;
        }
        match self.entry.take() {
            Some((cause, entry)) => {
                self.host.charge(cause, entry, 1);
                // Time has passed: a timer may be due, or the budget used up.
                false
            }
            None => true,
        }
    }

    /// The guest waits: time skips ahead to what may end that, but not beyond `end`.
    fn sleep(&mut self, end: u64) -> Option<Ended> {
        if self.host.board.interrupt_requested() {
            self.external_interrupt();
            return None;
        }
        let event = self.host.board.next_event();
        let wake = self.abi.next_timer().min(event);
        if wake == u64::MAX {
            return Some(Ended::Idle);
        }
        self.host.sleep_until(wake.min(end));
        let now = self.host.cpu.cycles;
        if now >= event {
            self.host.board.advance(now);
        }
        None
    }
}
