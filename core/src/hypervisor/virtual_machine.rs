//! Trap-and-emulate: enter the guest, handle what leaves it, charge, resume.

mod silence;

use std::mem;

use paravane_cpu::paging::{Access, AccessKind};
use paravane_cpu::state::flags::Rflags;
use paravane_cpu::state::mode::Mode;
use paravane_cpu::state::registers::{RAX, RCX, RDX};
use paravane_cpu::timing::{Counts, Operation};
use paravane_cpu::{
    Activity, Bus, Cpu, Exception, Exit, FrameMap, Intercepts, InterruptShadow, PAGE_SHIFT,
    PAGE_SIZE, Ram, Sensitive, Stepped, Vector, page_fault_code,
};

use super::deprivilege::{self, Tables};
use super::descriptor_shadow::{DescriptorShadow, TASK_SELECTOR};
use super::frames::{FrameNumber, GuestMap};
use super::host::Host;
use super::lies::Lies;
use super::shadow_paging::{Filled, Role, ShadowPaging};
use super::virtual_bus::{RealBus, VirtualBus};
use crate::accounting::{Cause, Costs, Primitive};
use crate::guest_image::{self, GuestImage, LoadError, LoadOptions};
use crate::log::{Note, Privilege};
use crate::machine::{Stopped, start};

/// Memory for shadow tables if nobody says otherwise, in bytes.
pub const DEFAULT_POOL: u64 = 8 << 20;

/// What happens to shadow tables when the guest loads CR3.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ShadowPolicy {
    /// They are kept: switching back to an address space finds them.
    #[default]
    Cached,
    /// They are thrown away, for the lesson.
    Naive,
}

/// Which CPU the guest is deprivileged on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Processor {
    /// The ideal of Popek and Goldberg: every sensitive instruction leaves.
    #[default]
    Ideal,
    /// An x86 as of 1998: the silent ones stay silent.
    X86,
}

/// A guest on a deprivileged CPU, and the hypervisor that keeps up its beliefs.
#[derive(Clone, Debug)]
pub struct VirtualMachine {
    /// The machine.
    pub host: Host,
    /// What the guest believes of its CPU. It borrows the machine's RAM while it works.
    pub virtual_cpu: Cpu,
    /// Where the guest's memory lies.
    pub map: GuestMap,
    shadow: ShadowPaging,
    policy: ShadowPolicy,
    processor: Processor,
    intercepts: Intercepts,
    /// On a CPU of 1998: the real descriptor table, and what the guest was told wrongly.
    descriptors: Option<DescriptorShadow>,
    lies: Lies,
    /// The root that the real CPU has, and what it is for.
    loaded_root: Option<FrameNumber>,
    /// The guest has been stopped for an interrupt that it does not take yet.
    held: bool,
    nmi: bool,
    ended: Option<Stopped>,
    last_cause: Cause,
}

/// What the virtual CPU did while it had the RAM.
pub(super) struct Work {
    pub(super) counts: Counts,
    walk_references: u64,
    pub(super) traced_writes: Vec<u64>,
}

impl VirtualMachine {
    /// A machine with a guest of `memory` bytes and `pool` bytes for shadow tables.
    pub fn new(
        processor: Processor,
        memory: u64,
        pool: u64,
        costs: Costs,
        policy: ShadowPolicy,
    ) -> Self {
        let pool = pool.max(64 * PAGE_SIZE);
        let mut host = Host::new(memory + pool, memory, costs);
        let map = GuestMap::allocate(&mut host.frames, memory >> PAGE_SHIFT);
        let descriptors = match processor {
            Processor::Ideal => None,
            Processor::X86 => DescriptorShadow::new(&mut host),
        };
        let mut virtual_cpu = Cpu::new(0);
        virtual_cpu.frames = FrameMap::new(map.as_slice().to_vec());
        let tables = host.frames.free_count() as usize;
        Self {
            host,
            virtual_cpu,
            map,
            shadow: ShadowPaging::new(tables),
            policy,
            processor,
            intercepts: every_sensitive_instruction(),
            descriptors,
            lies: Lies::default(),
            loaded_root: None,
            held: false,
            nmi: false,
            ended: None,
            last_cause: Cause::HiddenPageFault,
        }
    }

    /// Loads an image into the guest's memory and sets its CPU up.
    ///
    /// # Errors
    /// As for a bare machine.
    pub fn load(&mut self, image: &GuestImage, options: &LoadOptions) -> Result<(), LoadError> {
        let mut memory = Ram::new(self.map.count() << PAGE_SHIFT);
        let start = guest_image::load(&mut memory, image, options)?;
        for guest_frame in 0..self.map.count() {
            let page = memory.slice(guest_frame << PAGE_SHIFT, PAGE_SIZE);
            if let (Some(page), Some(frame)) = (page, self.map.machine_frame(guest_frame))
                && page.iter().any(|byte| *byte != 0)
            {
                self.host.cpu.write_ram(frame << PAGE_SHIFT, page);
            }
        }
        start::set_up(&mut self.virtual_cpu, start);
        Ok(())
    }

    /// Runs for at most `budget` cycles of guest time.
    pub fn run(&mut self, budget: u64) -> Stopped {
        let end = self.host.cpu.cycles.saturating_add(budget);
        loop {
            if let Some(stopped) = self.ended {
                return stopped;
            }
            if let Some(stopped) = self.between(end) {
                if stopped.is_final() {
                    self.ended = Some(stopped);
                }
                return stopped;
            }
        }
    }

    /// One turn: what is due, or the guest until it leaves. `Some` ends the run.
    fn between(&mut self, end: u64) -> Option<Stopped> {
        let board = &mut self.host.board;
        if self.host.cpu.cycles >= board.next_event() {
            board.advance(self.host.cpu.cycles);
        }
        if let Some(request) = board.take_request() {
            return Some(request.into());
        }
        if self.host.cpu.cycles >= end {
            return Some(Stopped::Budget);
        }
        self.held &= board.interrupt_requested();
        let due = board.interrupt_requested() && self.virtual_cpu.accepts_interrupts();
        if self.virtual_cpu.has_debug_trap() {
            return self.deliver_due(Cause::Exception(Vector::Debug));
        }
        if due || self.nmi && !self.virtual_cpu.nmi_blocked {
            self.held = false;
            return self.deliver_due(Cause::ExternalInterrupt);
        }
        if self.virtual_cpu.activity == Activity::Halted {
            return self.sleep(end);
        }
        if matches!(self.virtual_cpu.mode(), Mode::Real | Mode::Virtual8086) {
            return self.emulate(None, end);
        }
        let exit = self.enter(end);
        self.handle(exit, end)
    }

    /// The guest is halted: time skips ahead to the next event of a device, but not beyond `end`.
    fn sleep(&mut self, end: u64) -> Option<Stopped> {
        if !self.virtual_cpu.interrupts_enabled() {
            return Some(Stopped::HaltedForever);
        }
        self.virtual_cpu.shadow = InterruptShadow::None;
        let event = self.host.board.next_event();
        if event == u64::MAX && !self.host.board.interrupt_requested() {
            return Some(Stopped::Idle);
        }
        self.host.sleep_until(event.min(end));
        None
    }

    /// Runs the guest on the real CPU until something leaves.
    fn enter(&mut self, end: u64) -> Exit {
        if let Err(exit) = self.load_root() {
            return exit;
        }
        let in_shadow = mem::take(&mut self.virtual_cpu.shadow) != InterruptShadow::None;
        let intercepts = self.intercepts;
        self.run_real(&intercepts, end, in_shadow)
    }

    /// Runs the real CPU, for one instruction or until something leaves, and takes over what the
    /// guest did.
    fn run_real(&mut self, intercepts: &Intercepts, end: u64, one: bool) -> Exit {
        self.host.resume();
        let root = self.loaded_root.unwrap_or(0) << PAGE_SHIFT;
        let tables = match &self.descriptors {
            Some(descriptors) => Tables {
                global: descriptors.global_table(),
                interrupt: descriptors.interrupt_table(),
                task: TASK_SELECTOR,
            },
            None => Tables::NONE,
        };
        deprivilege::enter(&mut self.host.cpu, &self.virtual_cpu, root, tables);
        let entered = self.descriptors.is_some().then(|| self.host.cpu.segments.clone());
        let Host { cpu, board, ledger, .. } = &mut self.host;
        let before = total(cpu.counts());
        let budget = if one { 1 } else { end.saturating_sub(cpu.cycles) };
        let hidden = self.held || one;
        let mut bus = RealBus { board, interrupts_hidden: hidden, nmi: &mut self.nmi };
        let exit = cpu.run(&mut bus, intercepts, budget);
        let used = total(cpu.counts()).since(&before);
        let share = if self.virtual_cpu.cpl == 3 {
            &mut ledger.guest_user
        } else {
            &mut ledger.guest_kernel
        };
        *share = share.plus(&used);
        deprivilege::leave(&self.host.cpu, &mut self.virtual_cpu);
        if let Some(entered) = entered {
            self.take_over_segments(&entered);
        }
        exit
    }

    /// Finds the shadow root for what the guest is about to do, and has the real CPU use it.
    fn load_root(&mut self) -> Result<(), Exit> {
        let role = self.role();
        let cause = self.last_cause;
        let control = &self.virtual_cpu.control;
        let root = self.shadow.root(&mut self.host, &self.map, cause, control, role);
        self.shadow.check_pointers(&mut self.host, control, role);
        if root != self.loaded_root {
            self.loaded_root = root;
            self.host.cpu.drop_translations();
            self.host.charge(cause, Primitive::RootSwitch, 1);
            self.host.charge(cause, Primitive::TlbFlush, 1);
        }
        let Some(root) = root else { return Err(Exit::Budget) };
        self.load_descriptors(root);
        Ok(())
    }

    fn role(&self) -> Role {
        let cpu = &self.virtual_cpu;
        Role::of(&cpu.control, cpu.cpl == 3, cpu.flags.system().contains(Rflags::AC))
    }

    /// Reacts to an exit. The match is exhaustive: a new kind of exit does not compile here until
    /// somebody has thought of it.
    fn handle(&mut self, exit: Exit, end: u64) -> Option<Stopped> {
        match exit {
            Exit::Budget | Exit::Bus => None,
            Exit::ExternalInterrupt | Exit::NonMaskableInterrupt => {
                self.held = exit == Exit::ExternalInterrupt;
                self.file(Cause::ExternalInterrupt);
                None
            }
            Exit::Exception(exception) => match exception.vector {
                Vector::PageFault => self.page_fault(exception, end),
                Vector::Debug => self.debug_trap(),
                _ => self.emulate(Some(exit), end),
            },
            Exit::Instruction { instruction, .. } if self.stays_silent(instruction) => {
                self.watch_silent_instruction(instruction, end)
            }
            Exit::SoftwareInterrupt { .. } | Exit::Instruction { .. } | Exit::Unimplemented(_) => {
                self.emulate(Some(exit), end)
            }
            Exit::Halted | Exit::TripleFault(_) => {
                unreachable!("a deprivileged CPU can't halt, and delivers nothing by itself")
            }
        }
    }

    /// Performs the instruction that left on the virtual CPU. If that raises an exception, it is
    /// the guest's own, and is delivered to the guest's handler.
    fn emulate(&mut self, exit: Option<Exit>, end: u64) -> Option<Stopped> {
        self.virtual_cpu.sensitive = None;
        let address = self.virtual_cpu.rip();
        let (stepped, work) = self.on_virtual_cpu(|cpu, bus| cpu.perform_one(bus, end));
        let cause = match (exit, self.virtual_cpu.sensitive.take()) {
            (None, _) => Cause::UnsupportedMode,
            (Some(Exit::SoftwareInterrupt { .. }), _) => Cause::SoftwareInterrupt,
            (Some(Exit::Instruction { instruction, .. }), _) | (_, Some(instruction)) => {
                Cause::Instruction(instruction)
            }
            (Some(Exit::Exception(exception)), None) => Cause::Exception(exception.vector),
            (Some(_), None) => Cause::UnsupportedMode,
        };
        if exit.is_some() {
            self.file_at(cause, address);
        } else {
            self.last_cause = cause;
        }
        self.finish(cause, stepped, work)
    }

    /// A page fault: hidden, traced, or the guest's own.
    fn page_fault(&mut self, exception: Exception, end: u64) -> Option<Stopped> {
        let code = exception.error_code.unwrap_or(0);
        let kind = if code & page_fault_code::WRITE != 0 {
            AccessKind::Write
        } else if code & page_fault_code::FETCH != 0 {
            AccessKind::Fetch
        } else {
            AccessKind::Read
        };
        let linear = self.virtual_cpu.fault_address;
        let access = Access {
            kind,
            user: self.virtual_cpu.cpl == 3,
            smap_override: self.virtual_cpu.flags.system().contains(Rflags::AC),
        };
        let mut walked = Vec::new();
        let (result, work) =
            self.on_virtual_cpu(|cpu, _| cpu.walk(linear, access, &mut |entry| walked.push(entry)));
        let role = self.role();
        let entries_before = self.shadow.entries_written;
        let cause = match result {
            Err(_) => Cause::Exception(Vector::PageFault),
            Ok(translation) => {
                self.make_way(linear);
                let filled = self.shadow.fill(
                    &mut self.host,
                    &self.map,
                    Cause::HiddenPageFault,
                    &self.virtual_cpu.control,
                    role,
                    linear,
                    kind == AccessKind::Write,
                    translation,
                    &walked,
                );
                match filled {
                    Filled::Mapped => Cause::HiddenPageFault,
                    Filled::Traced if self.shadow.is_pinned(translation.physical >> PAGE_SHIFT) => {
                        Cause::TracedWrite
                    }
                    Filled::Traced => Cause::PageTableWrite,
                    Filled::NotRam => Cause::DeviceMemory,
                }
            }
        };
        self.file(cause);
        self.charge_work(cause, &work);
        if cause == Cause::HiddenPageFault {
            let entries = self.shadow.entries_written - entries_before;
            let entries = u8::try_from(entries).unwrap_or(u8::MAX);
            self.host.note(Note::ShadowFilled { linear, entries });
            return None;
        }
        let (stepped, work) = self.on_virtual_cpu(|cpu, bus| cpu.perform_one(bus, end));
        self.finish(cause, stepped, work)
    }

    /// A debug trap of the guest's own breakpoints or single steps.
    fn debug_trap(&mut self) -> Option<Stopped> {
        let conditions = self.virtual_cpu.debug_conditions;
        self.virtual_cpu.note_debug_conditions(conditions);
        self.file(Cause::Exception(Vector::Debug));
        None
    }

    /// Gives the guest what is due before its next instruction: a debug trap, an NMI or an
    /// interrupt.
    fn deliver_due(&mut self, cause: Cause) -> Option<Stopped> {
        let (stepped, work) = self.on_virtual_cpu(|cpu, bus| cpu.deliver_due(bus));
        self.virtual_cpu.activity = Activity::Running;
        self.finish(cause, stepped?, work)
    }

    /// Notes the exit, and charges what every exit costs.
    fn file(&mut self, cause: Cause) {
        self.file_at(cause, self.virtual_cpu.rip());
    }

    fn file_at(&mut self, cause: Cause, address: u64) {
        self.last_cause = cause;
        let from = if self.virtual_cpu.cpl == 3 { Privilege::User } else { Privilege::Kernel };
        self.host.exit(cause, address, from);
        for primitive in [Primitive::Exit, Primitive::Dispatch, Primitive::Entry] {
            self.host.charge(cause, primitive, 1);
        }
    }

    /// Charges what the virtual CPU did, and carries its effects over to the shadow tables and
    /// the real TLB.
    fn finish(&mut self, cause: Cause, stepped: Stepped, work: Work) -> Option<Stopped> {
        self.charge_work(cause, &work);
        for machine in &work.traced_writes {
            if let Some(guest) = self.map.guest_address(*machine) {
                self.shadow.guest_wrote(&mut self.host, &self.map, cause, guest);
            }
        }
        self.descriptors_may_be_stale(&work);
        if work.counts.of(Operation::TlbFlush) > 0 {
            if self.policy == ShadowPolicy::Naive {
                self.shadow.drop_all(&mut self.host, &self.map, cause);
                self.loaded_root = None;
            }
            self.host.cpu.drop_translations();
            self.host.charge(cause, Primitive::TlbFlush, 1);
        }
        if let Some(page) = self.virtual_cpu.invalidated_page.take() {
            self.host.cpu.drop_translation(page);
            self.host.charge(cause, Primitive::PageInvalidation, 1);
        }
        match stepped {
            Stepped::Retired => {
                self.note_effect(cause, &work);
                self.host.charge(cause, Primitive::DecodeAndEmulate, 1);
                None
            }
            Stepped::Delivered => {
                if let Some(delivery) = self.virtual_cpu.deliveries.last() {
                    let (vector, handler) = (delivery.vector, delivery.to);
                    self.host.note(Note::Delivered { vector, handler });
                }
                self.host.charge(cause, Primitive::EventInjection, 1);
                None
            }
            Stepped::Left(Exit::TripleFault(exceptions)) => Some(Stopped::TripleFault(exceptions)),
            Stepped::Left(Exit::Unimplemented(what)) => Some(Stopped::Unimplemented(what)),
            Stepped::Left(_) => None,
        }
    }

    /// Says in the log what an emulated instruction did.
    fn note_effect(&mut self, cause: Cause, work: &Work) {
        let cpu = &self.virtual_cpu;
        let note = match cause {
            Cause::Instruction(Sensitive::Cli | Sensitive::Sti | Sensitive::Popf) => {
                Note::InterruptFlag(cpu.interrupts_enabled())
            }
            Cause::Instruction(Sensitive::Hlt) => Note::Halted,
            Cause::Instruction(Sensitive::WriteControl)
                if work.counts.of(Operation::TlbFlush) > 0 =>
            {
                Note::Control { register: 3, value: cpu.control.cr3 }
            }
            Cause::Instruction(Sensitive::Wrmsr) => {
                let register: u32 = cpu.registers.read(RCX);
                let (low, high): (u32, u32) = (cpu.registers.read(RAX), cpu.registers.read(RDX));
                Note::ModelSpecific { register, value: u64::from(high) << 32 | u64::from(low) }
            }
            Cause::DeviceMemory => Note::DeviceMemory { address: cpu.fault_address },
            Cause::PageTableWrite | Cause::TracedWrite => {
                let written = work.traced_writes.first();
                match written.and_then(|machine| self.map.guest_address(*machine)) {
                    Some(address) => Note::WatchedWrite { address },
                    None => Note::Usual,
                }
            }
            _ => Note::Usual,
        };
        self.host.note(note);
    }

    fn charge_work(&mut self, cause: Cause, work: &Work) {
        self.host.charge(cause, Primitive::GuestTableReference, work.walk_references);
        let accesses = work.counts.of(Operation::PortAccess);
        self.host.charge(cause, Primitive::DeviceAccess, accesses);
    }

    /// Lends the machine's RAM to the virtual CPU. Instructions that it performs are the guest's,
    /// and take the guest's time.
    pub(super) fn on_virtual_cpu<T>(
        &mut self,
        act: impl FnOnce(&mut Cpu, &mut VirtualBus<'_>) -> T,
    ) -> (T, Work) {
        let Self { host, virtual_cpu, nmi, .. } = self;
        mem::swap(&mut host.cpu.ram, &mut virtual_cpu.ram);
        virtual_cpu.cycles = host.cpu.cycles;
        let user = virtual_cpu.cpl == 3;
        let before = total(virtual_cpu.counts());
        let references = virtual_cpu.tlb_statistics().walk_references;
        let result = act(virtual_cpu, &mut VirtualBus { board: &mut host.board, nmi });
        mem::swap(&mut host.cpu.ram, &mut virtual_cpu.ram);
        host.cpu.code_written(&virtual_cpu.take_written_code());

        let counts = total(virtual_cpu.counts()).since(&before);
        let share = if user { &mut host.ledger.guest_user } else { &mut host.ledger.guest_kernel };
        share.instructions += counts.instructions;
        share.iterations += counts.iterations;
        host.cpu.cycles += counts.instructions + counts.iterations;
        let work = Work {
            counts,
            walk_references: virtual_cpu.tlb_statistics().walk_references - references,
            traced_writes: virtual_cpu.take_traced_writes(),
        };
        (result, work)
    }

    /// The shadow tables.
    pub fn shadow(&self) -> &ShadowPaging {
        &self.shadow
    }
}

impl VirtualMachine {
    /// What the guest was told wrongly: nothing, unless it runs on a CPU of 1998.
    pub fn lies(&self) -> &Lies {
        &self.lies
    }
}

/// Rings 0 to 2 and ring 3 together: which one the real CPU is in says nothing of the guest.
fn total([inner, outer]: [Counts; 2]) -> Counts {
    inner.plus(&outer)
}

/// Every exception leaves.
fn all_exceptions() -> Intercepts {
    Vector::ALL.into_iter().fold(Intercepts::NONE, Intercepts::with_exception)
}

/// The ideal CPU of Popek and Goldberg's theorem: every sensitive instruction leaves.
fn every_sensitive_instruction() -> Intercepts {
    let exceptions = all_exceptions();
    let mut all = Sensitive::ALL
        .iter()
        .filter(|instruction| **instruction != Sensitive::Pause)
        .fold(exceptions, |all, instruction| all.with_instruction(*instruction));
    all.external_interrupts = true;
    all.non_maskable_interrupts = true;
    all
}
