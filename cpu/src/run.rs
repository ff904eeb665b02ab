//! The run loop: the only way into the CPU, and the only place where a stop becomes either a
//! delivery through the guest's IDT or an exit to the caller.

use std::mem;

use crate::bus::Bus;
use crate::cpu::{Activity, Cpu, InterruptShadow};
use crate::decode::blocks::Blocks;
use crate::decode::lower::{self, Lowered, MAX_LENGTH};
use crate::decode::op::Op;
use crate::exception::{Class, Exception, Vector};
use crate::execute::delivery::{Event, EventSource};
use crate::exit::{DeviceAccess, Exit, SoftwareInterrupt, Step, Stop};
use crate::intercepts::{Intercepts, Sensitive};
use crate::memory::paging;
use crate::memory::ram::{PAGE_SIZE, Watch};
use crate::memory::tlb::{Denied, PAGE_MASK};
use crate::recent::{BlockStart, Delivery, DeliveryKind, FailedDelivery};
use crate::state::debug::{Condition, DR6_FIXED, DR7_GENERAL_DETECT, Dr6};
use crate::state::flags::Rflags;
use crate::state::mode::CodeSize;
use crate::state::registers::RIP;
use crate::state::segments::SegmentName;
use crate::timing::Operation;

impl Cpu {
    /// Executes for at most `budget` cycles (an instruction that began is finished, and takes at
    /// least one), delivering exceptions and interrupts through the guest's IDT unless
    /// `intercepts` says that they leave.
    ///
    /// Whatever the budgets of a sequence of calls, the guest's state after the same number of
    /// cycles is the same.
    pub fn run(&mut self, bus: &mut dyn Bus, intercepts: &Intercepts, budget: u64) -> Exit {
        self.intercepts = *intercepts;
        self.attention = true;
        let end = self.cycles.saturating_add(budget);
        let mut blocks = mem::replace(&mut self.blocks, Blocks::detached());
        let exit = self.run_until(bus, &mut blocks, end);
        self.blocks = blocks;
        exit
    }

    fn run_until(&mut self, bus: &mut dyn Bus, blocks: &mut Blocks, end: u64) -> Exit {
        loop {
            match self.events(bus, blocks, end) {
                Ok(()) => {}
                Err(None) => continue,
                Err(Some(exit)) => return exit,
            }
            // An event that stays due must not keep the CPU from executing.
            self.deadline = end.min(bus.next_event()).max(self.cycles.saturating_add(1));
            let result =
                if self.needs_care() { self.step(bus, blocks) } else { self.execute(blocks) };
            if let Err(stop) = result
                && let Some(exit) = self.resolve(stop, bus, blocks)
            {
                return exit;
            }
        }
    }

    /// What can happen between two instructions, in the order of priority. `Err(None)`: an event
    /// was delivered; look again.
    fn events(
        &mut self,
        bus: &mut dyn Bus,
        blocks: &mut Blocks,
        end: u64,
    ) -> Result<(), Option<Exit>> {
        self.attention = false;
        self.forget_written_code(blocks);
        if self.cycles >= bus.next_event() {
            bus.advance(self.cycles);
        }
        if bus.wants_attention() {
            return Err(Some(Exit::Bus));
        }
        if let Activity::Shutdown(exceptions) = self.activity {
            return Err(Some(Exit::TripleFault(exceptions)));
        }
        if self.cycles >= end {
            return Err(Some(Exit::Budget));
        }
        self.due(bus)?;
        if self.activity == Activity::Halted {
            self.shadow = InterruptShadow::None;
            if self.accepts_interrupts() && bus.interrupt_requested() {
                return Err(None);
            }
            return Err(Some(Exit::Halted));
        }
        Ok(())
    }

    /// Debug traps, NMIs and interrupts, in the order of priority, each delivered or an exit.
    pub(crate) fn due(&mut self, bus: &mut dyn Bus) -> Result<(), Option<Exit>> {
        if !self.pending_debug.is_empty() && self.shadow != InterruptShadow::MovSs {
            self.activity = Activity::Running;
            return Err(self.raise(bus, Exception::new(Vector::Debug)));
        }
        if self.shadow == InterruptShadow::None {
            if !self.nmi_blocked && bus.take_nmi() {
                self.activity = Activity::Running;
                if self.intercepts.non_maskable_interrupts {
                    return Err(Some(Exit::NonMaskableInterrupt));
                }
                self.nmi_blocked = true;
                return Err(self.interrupt(bus, Vector::NonMaskableInterrupt as u8));
            }
            if self.interrupts_enabled() && bus.interrupt_requested() {
                self.activity = Activity::Running;
                if self.intercepts.external_interrupts {
                    return Err(Some(Exit::ExternalInterrupt));
                }
                let vector = bus.acknowledge_interrupt(self.cycles);
                return Err(self.interrupt(bus, vector));
            }
        }
        Ok(())
    }

    /// Whether the next instruction needs more than to be executed.
    fn needs_care(&self) -> bool {
        self.shadow != InterruptShadow::None
            || self.flags.system().intersects(Rflags::TF | Rflags::RF)
            || self.debug.enabled().any(|b| b.condition == Condition::Execute)
    }

    /// Executes blocks until the deadline, or until something needs attention.
    fn execute(&mut self, blocks: &mut Blocks) -> Step {
        self.repeating = false;
        while self.cycles < self.deadline && !self.attention {
            let (linear, physical) = self.locate(blocks)?;
            let Some(block) = blocks.find(physical, self.code_size) else {
                self.decode(blocks, linear, physical)?;
                continue;
            };
            if !self.inside_code_segment(u64::from(block.bytes)) {
                self.execute_one(blocks)?;
                continue;
            }
            self.note_block(linear, physical);
            for op in &block.ops {
                self.perform(op)?;
                if self.attention || self.cycles >= self.deadline {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Decodes the block at RIP; if its first instruction can't be cached, executes that.
    fn decode(&mut self, blocks: &mut Blocks, linear: u64, physical: u64) -> Step {
        match blocks.decode(&self.ram, physical, self.code_size) {
            Some(first_of_page) => {
                if first_of_page {
                    self.watch_page(physical, Watch::CODE);
                }
                Ok(())
            }
            None => {
                self.note_block(linear, physical);
                let op = self.fetch(linear, physical)?;
                self.perform(&op)
            }
        }
    }

    /// Notes, for reports, where a run of instructions begins.
    #[inline(always)]
    fn note_block(&mut self, linear: u64, physical: u64) {
        self.recent.push(BlockStart {
            linear,
            physical,
            instructions: self.instructions,
            code_size: self.code_size,
            cpl: self.cpl,
        });
    }

    /// Executes exactly one instruction.
    fn execute_one(&mut self, blocks: &mut Blocks) -> Step {
        let (linear, physical) = self.locate(blocks)?;
        self.note_block(linear, physical);
        let cached = blocks.find(physical, self.code_size).and_then(|block| block.ops.first());
        let op = match cached {
            Some(op) => *op,
            None => self.fetch(linear, physical)?,
        };
        if !self.inside_code_segment(u64::from(op.length)) {
            return Err(Exception::GENERAL_PROTECTION.into());
        }
        self.perform(&op)
    }

    /// One instruction with all that surrounds it: breakpoints, shadows, single-step, RF.
    pub(crate) fn step(&mut self, bus: &mut dyn Bus, blocks: &mut Blocks) -> Step {
        let shadow = mem::take(&mut self.shadow);
        let system = self.flags.system();
        let (single_step, resume) = (system.contains(Rflags::TF), system.contains(Rflags::RF));
        let held = mem::take(&mut self.pending_debug);
        if !resume && shadow != InterruptShadow::MovSs {
            let linear = self.instruction_address();
            let hits = self.debug.matching(|breakpoint| {
                breakpoint.condition == Condition::Execute && breakpoint.address == linear
            });
            if !hits.is_empty() {
                self.pending_debug = hits;
                return Err(Exception::new(Vector::Debug).into());
            }
        }
        // Cleared before, so that an instruction that loads RF (IRET) keeps what it loads.
        self.flags.set_system(Rflags::RF, false);
        self.steps_at_end = false;
        self.repeating = false;
        let result = self.execute_with_board(bus, blocks);
        match result {
            Ok(()) | Err(Stop::Halt) => {
                if single_step && !self.steps_at_end {
                    self.pending_debug |= Dr6::BS;
                }
            }
            Err(stop) => {
                self.flags.set_system(Rflags::RF, resume);
                if stop == Stop::Unfinished && single_step {
                    self.pending_debug |= Dr6::BS;
                }
            }
        }
        self.pending_debug |= held;
        result
    }

    /// One instruction, with as many answers from the board as it needs.
    fn execute_with_board(&mut self, bus: &mut dyn Bus, blocks: &mut Blocks) -> Step {
        loop {
            let result = self.execute_one(blocks);
            if result != Err(Stop::Device) {
                self.device.finish();
                return result;
            }
            self.answer(bus);
        }
    }

    /// Makes the access that the instruction asked for.
    fn answer(&mut self, bus: &mut dyn Bus) {
        let now = self.cycles;
        let Some(request) = self.device.request.take() else { return };
        self.attention = true;
        let reply = match request {
            DeviceAccess::ReadPort { port, width } => bus.read_port(now, port, width).into(),
            DeviceAccess::WritePort { port, width, value } => {
                bus.write_port(now, port, width, value);
                0
            }
            DeviceAccess::ReadMemory { address, width } => bus.read_memory(now, address, width),
            DeviceAccess::WriteMemory { address, width, value } => {
                bus.write_memory(now, address, width, value);
                0
            }
        };
        self.device.reply(reply);
    }

    /// Executes one decoded instruction. On a stop, RIP is back at it, and [`Cpu::next_rip`]
    /// holds the address after it.
    #[inline(always)]
    fn perform(&mut self, op: &Op) -> Step {
        let rip = self.rip();
        self.registers.set(RIP, rip.wrapping_add(u64::from(op.length)));
        match (op.handler)(self, op) {
            Ok(()) => {
                self.cycles += 1;
                self.instructions += 1;
                Ok(())
            }
            Err(stop) => Err(self.stopped(op, rip, stop)),
        }
    }

    #[cold]
    fn stopped(&mut self, op: &Op, rip: u64, stop: Stop) -> Stop {
        self.next_rip = rip.wrapping_add(u64::from(op.length));
        match stop {
            Stop::Halt => {
                self.cycles += 1;
                self.instructions += 1;
                return stop;
            }
            // Data breakpoints of finished iterations, and the cause of a #DB, stay noted.
            Stop::Unfinished => {}
            Stop::Exception(exception) if exception.vector == Vector::Debug => {}
            _ => self.pending_debug = Dr6::empty(),
        }
        self.registers.set(RIP, rip);
        stop
    }

    /// The linear address of the instruction at RIP.
    pub fn instruction_address(&self) -> u64 {
        if self.code_size == CodeSize::Bits64 {
            self.rip()
        } else {
            self.segments.get(SegmentName::Cs).base.wrapping_add(self.rip()) & 0xffff_ffff
        }
    }

    /// Linear and physical address of the instruction at RIP.
    #[inline(always)]
    fn locate(&mut self, blocks: &mut Blocks) -> Result<(u64, u64), Stop> {
        let rip = self.rip();
        if self.code_size == CodeSize::Bits64 {
            if !paging::is_canonical(rip) {
                return Err(Exception::GENERAL_PROTECTION.into());
            }
        } else if rip > u64::from(self.segments.get(SegmentName::Cs).limit) {
            return Err(Exception::GENERAL_PROTECTION.into());
        }
        let linear = self.instruction_address();
        if let Some(physical) = self.tlb.code(linear) {
            return Ok((linear, physical));
        }
        let fetch = if self.cpl == 3 { Denied::USER_FETCH } else { Denied::SUPERVISOR_FETCH };
        let entry = self.tlb.entry(linear);
        let physical = if entry.allows(linear, PAGE_MASK | fetch.bits()) {
            entry.physical(linear)
        } else {
            let physical = self.translate_fetch(linear)?;
            // The walk may have set a bit in a page table that is code, too.
            self.forget_written_code(blocks);
            physical
        };
        self.tlb.set_code(linear, physical);
        Ok((linear, physical))
    }

    /// Drops the blocks of frames that were written.
    fn forget_written_code(&mut self, blocks: &mut Blocks) {
        for frame in self.written_code.drain(..) {
            blocks.invalidate(frame);
        }
    }

    /// Whether `bytes` bytes from RIP are inside the code segment.
    fn inside_code_segment(&self, bytes: u64) -> bool {
        self.code_size == CodeSize::Bits64
            || self.rip() + bytes - 1 <= u64::from(self.segments.get(SegmentName::Cs).limit)
    }

    /// Decodes one instruction, which may reach into the next page. Outside RAM the bytes are all
    /// ones, as from an open bus.
    fn fetch(&mut self, linear: u64, physical: u64) -> Result<Op, Stop> {
        let mut bytes = [0xff; MAX_LENGTH];
        let in_page = (PAGE_SIZE - (linear & (PAGE_SIZE - 1))).min(MAX_LENGTH as u64) as usize;
        let (first, second) = bytes.split_at_mut(in_page);
        if let Some(code) = self.ram.slice(physical, first.len() as u64) {
            first.copy_from_slice(code);
        }
        if let Lowered::Op { op, .. } = lower::lower(first, self.code_size) {
            return Ok(op);
        }
        if !self.inside_code_segment(in_page as u64 + 1) {
            return Err(Exception::GENERAL_PROTECTION.into());
        }
        let mut next = linear.wrapping_add(in_page as u64);
        if self.code_size != CodeSize::Bits64 {
            next &= 0xffff_ffff;
        } else if !paging::is_canonical(next) {
            return Err(Exception::GENERAL_PROTECTION.into());
        }
        let physical = self.translate_fetch(next)?;
        if let Some(code) = self.ram.slice(physical, second.len() as u64) {
            second.copy_from_slice(code);
        }
        match lower::lower(&bytes, self.code_size) {
            Lowered::Op { op, .. } => Ok(op),
            Lowered::NeedsMoreBytes => Err(Exception::GENERAL_PROTECTION.into()),
        }
    }

    /// Turns a stop into a delivery or an exit.
    pub(crate) fn resolve(
        &mut self,
        stop: Stop,
        bus: &mut dyn Bus,
        blocks: &mut Blocks,
    ) -> Option<Exit> {
        match stop {
            Stop::Exception(exception) => self.raise(bus, exception),
            Stop::SoftwareInterrupt(interrupt) => self.software_interrupt(bus, interrupt),
            Stop::Intercepted(instruction) => {
                Some(Exit::Instruction { instruction, length: self.stopped_length() })
            }
            Stop::Device => {
                self.answer(bus);
                match self.execute_with_board(bus, blocks) {
                    Ok(()) => None,
                    Err(stop) => self.resolve(stop, bus, blocks),
                }
            }
            Stop::Halt => {
                self.activity = Activity::Halted;
                None
            }
            Stop::Unfinished => {
                self.repeating = true;
                None
            }
            Stop::Unimplemented(what) => Some(Exit::Unimplemented(what)),
        }
    }

    fn stopped_length(&self) -> u8 {
        self.next_rip.wrapping_sub(self.rip()) as u8
    }

    fn software_interrupt(
        &mut self,
        bus: &mut dyn Bus,
        interrupt: SoftwareInterrupt,
    ) -> Option<Exit> {
        if self.intercepts.instruction(Sensitive::Interrupt) {
            return Some(Exit::SoftwareInterrupt { interrupt, length: self.stopped_length() });
        }
        let source = match interrupt {
            SoftwareInterrupt::Debug => EventSource::PrivilegedSoftware,
            _ => EventSource::Software,
        };
        let event = Event {
            vector: interrupt.vector(),
            error_code: None,
            source,
            return_rip: self.next_rip,
            rf: false,
        };
        self.deliver_or_fault(bus, event, None)
    }

    fn interrupt(&mut self, bus: &mut dyn Bus, vector: u8) -> Option<Exit> {
        let event = Event {
            vector,
            error_code: None,
            source: EventSource::External,
            return_rip: self.rip(),
            rf: self.repeating,
        };
        self.deliver_or_fault(bus, event, None)
    }

    /// Raises an exception at RIP.
    pub(crate) fn raise(&mut self, bus: &mut dyn Bus, exception: Exception) -> Option<Exit> {
        if exception.vector == Vector::Debug {
            self.debug_conditions = mem::take(&mut self.pending_debug);
        }
        if self.intercepts.exception(exception.vector) {
            return Some(Exit::Exception(exception));
        }
        // Of the #DBs, only the one for a touched debug register returns to its instruction with
        // breakpoints held off.
        let mut is_fault = true;
        match exception.vector {
            Vector::PageFault => self.control.cr2 = self.fault_address,
            Vector::Debug => {
                let kept = self.debug.dr6 & !0xf;
                self.debug.dr6 = kept | self.debug_conditions.bits() | DR6_FIXED;
                self.debug.dr7 &= !DR7_GENERAL_DETECT;
                is_fault = self.debug_conditions.contains(Dr6::BD);
            }
            _ => {}
        }
        let event = Event {
            vector: exception.vector as u8,
            error_code: exception.error_code,
            source: EventSource::Exception,
            return_rip: self.rip(),
            rf: is_fault || self.repeating,
        };
        self.deliver_or_fault(bus, event, Some(exception))
    }

    /// Delivers an event. If that raises an exception in turn, the two combine to a double fault,
    /// or the second is raised alone; a third one shuts the CPU down.
    fn deliver_or_fault(
        &mut self,
        bus: &mut dyn Bus,
        event: Event,
        exception: Option<Exception>,
    ) -> Option<Exit> {
        let (from, from_cpl) = (self.rip(), self.cpl);
        let second = loop {
            match self.deliver(&event) {
                Ok(()) => {
                    self.note_delivery(&event, from, from_cpl);
                    self.device.finish();
                    self.shadow = InterruptShadow::None;
                    self.repeating = false;
                    self.charge(match event.source {
                        EventSource::Exception => Operation::Exception,
                        EventSource::External => Operation::Interrupt,
                        _ => Operation::SoftwareInterrupt,
                    });
                    return None;
                }
                Err(Stop::Device) => self.answer(bus),
                Err(Stop::Exception(second)) => break second,
                Err(Stop::Unimplemented(what)) => return Some(Exit::Unimplemented(what)),
                // Delivery executes no instruction, so it stops for no other reason.
                Err(_) => return None,
            }
        };
        self.note_failed_delivery(&event, second);
        self.device.finish();
        let first_class = exception.map_or(Class::Benign, |first| first.vector.class());
        let double_fault = Exception::with_code(Vector::DoubleFault, 0);
        match (first_class, second.vector.class()) {
            (Class::DoubleFault, _) => {
                let exceptions = [self.double_faulting[0], self.double_faulting[1], second];
                self.activity = Activity::Shutdown(exceptions);
                Some(Exit::TripleFault(exceptions))
            }
            (Class::Contributory, Class::Contributory)
            | (Class::PageFault, Class::Contributory | Class::PageFault) => {
                self.double_faulting = [exception.unwrap_or(second), second];
                self.raise(bus, double_fault)
            }
            _ => self.raise(bus, second),
        }
    }

    /// Notes, for reports, that an event was delivered.
    fn note_delivery(&mut self, event: &Event, from: u64, from_cpl: u8) {
        self.deliveries.push(Delivery {
            vector: event.vector,
            kind: event.source.into(),
            error_code: event.error_code,
            cr2: self.control.cr2,
            from,
            from_cpl,
            to: self.rip(),
            to_cpl: self.cpl,
            cycles: self.cycles,
            instructions: self.instructions,
        });
    }

    /// Notes, for reports, that the delivery of an event raised an exception.
    fn note_failed_delivery(&mut self, event: &Event, raised: Exception) {
        self.failed_deliveries.push(FailedDelivery {
            vector: event.vector,
            kind: event.source.into(),
            error_code: event.error_code,
            cr2: self.control.cr2,
            raised,
            raised_address: self.fault_address,
            cycles: self.cycles,
        });
    }
}

impl From<EventSource> for DeliveryKind {
    fn from(source: EventSource) -> Self {
        match source {
            EventSource::Exception => Self::Exception,
            EventSource::Software | EventSource::PrivilegedSoftware => Self::Software,
            EventSource::External => Self::External,
        }
    }
}
