//! The CPU: its architectural state, and beside it what makes that state fast to work with.

use crate::decode::blocks::Blocks;
use crate::exception::Exception;
use crate::exit::{DeviceDialogue, Stop};
use crate::features::Features;
use crate::intercepts::{Intercepts, Sensitive};
use crate::memory::frame_map::FrameMap;
use crate::memory::ram::{PAGE_SHIFT, Ram, Watch};
use crate::memory::tlb::{Denied, Tlb, TlbStatistics};
use crate::recent::{RecentBlocks, RecentDeliveries, RecentFailures};
use crate::state::control::{Control, Cr0, Efer};
use crate::state::debug::{Condition, Debug, Dr6};
use crate::state::flags::{Flags, Rflags};
use crate::state::mode::{CodeSize, Mode};
use crate::state::msr::ModelSpecific;
use crate::state::registers::{RDX, RIP, RSP, Registers};
use crate::state::segments::{SegmentName, Segments};
use crate::timing::{Counts, Operation, Timing};

/// What keeps interrupts out until one more instruction has retired.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InterruptShadow {
    /// Nothing.
    #[default]
    None,
    /// STI set the interrupt flag.
    Sti,
    /// SS was loaded: debug traps wait, too.
    MovSs,
}

/// Whether the CPU executes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Activity {
    /// It does.
    #[default]
    Running,
    /// HLT: it waits for an interrupt.
    Halted,
    /// A triple fault: it waits for a reset. The exceptions that led to it, the first one first.
    Shutdown([Exception; 3]),
}

/// One x86-64 CPU and the RAM that it works on.
///
/// The public fields are the architectural state. Whoever changes them from outside calls
/// [`Cpu::refresh`] before the next [`Cpu::run`].
#[derive(Clone)]
pub struct Cpu {
    /// General registers and RIP.
    pub registers: Registers,
    /// RFLAGS.
    pub flags: Flags,
    /// Segment and table registers.
    pub segments: Segments,
    /// Control registers and EFER.
    pub control: Control,
    /// Debug registers.
    pub debug: Debug,
    /// Model-specific registers.
    pub msr: ModelSpecific,
    /// Current privilege level, 0 to 3.
    pub cpl: u8,
    /// What keeps interrupts out for one more instruction.
    pub shadow: InterruptShadow,
    /// Running, halted or shut down.
    pub activity: Activity,
    /// NMIs wait until the next IRET.
    pub nmi_blocked: bool,
    /// The conditions of the last #DB that was raised, delivered or not.
    pub debug_conditions: Dr6,
    /// The linear address of the last page fault that was raised, delivered or not.
    pub fault_address: u64,
    /// Machine memory.
    pub ram: Ram,
    /// Where physical frames lie in it: identity, but for the virtual CPU of a hypervisor.
    pub frames: FrameMap,
    /// The linear address that INVLPG last named, until somebody takes it.
    pub invalidated_page: Option<u64>,
    /// The last sensitive instruction that got past its privilege check, until somebody takes it.
    pub sensitive: Option<Sensitive>,
    /// What CPUID shows.
    pub features: Features,
    /// What operations cost.
    pub timing: Timing,
    /// Guest time in cycles.
    pub cycles: u64,
    /// Instructions retired. A repeated string instruction counts once; each of its iterations
    /// takes one further cycle.
    pub instructions: u64,
    /// Iterations of repeated string instructions.
    pub iterations: u64,
    /// Where the last blocks began, for reports.
    pub recent: RecentBlocks,
    /// The last events that were delivered, for reports.
    pub deliveries: RecentDeliveries,
    /// The last events whose delivery raised an exception, for reports.
    pub failed_deliveries: RecentFailures,

    /// What happened in rings 0 to 2, and in ring 3.
    counts: [Counts; 2],
    /// Instructions and iterations that are already in [`Cpu::counts`].
    counted: (u64, u64),
    /// Whether what is counted goes to ring 3.
    counted_ring_3: bool,
    pub(crate) tlb: Tlb,
    pub(crate) blocks: Blocks,
    pub(crate) intercepts: Intercepts,
    pub(crate) device: DeviceDialogue,
    /// Debug conditions met by the instruction that is executing.
    pub(crate) pending_debug: Dr6,
    /// Frames of decoded code that were written: their blocks are dropped before the next one.
    pub(crate) written_code: Vec<u64>,
    /// Machine addresses in traced pages that were written.
    pub(crate) traced_writes: Vec<u64>,
    /// Something happened that the run loop must look at before the next instruction.
    pub(crate) attention: bool,
    /// The cycle at which the run loop wants control back.
    pub(crate) deadline: u64,
    /// RIP after the instruction that stopped.
    pub(crate) next_rip: u64,
    /// The CPU is between two iterations of a repeated string instruction.
    pub(crate) repeating: bool,
    /// The instruction was one that looks at TF when it is done: SYSCALL and SYSRET.
    pub(crate) steps_at_end: bool,
    /// The two exceptions that the last double fault was made of.
    pub(crate) double_faulting: [Exception; 2],
    /// Derived: default operand and address size.
    pub(crate) code_size: CodeSize,
    /// Derived: what a data read, a data write and a fetch compare of a TLB tag.
    pub(crate) read_mask: u64,
    pub(crate) write_mask: u64,
}

impl Cpu {
    /// A CPU after reset, in real mode, with zeroed RAM of `ram_size` bytes.
    pub fn new(ram_size: u64) -> Self {
        let mut cpu = Self {
            registers: Registers::default(),
            flags: Flags::default(),
            segments: Segments::default(),
            control: Control::default(),
            debug: Debug::default(),
            msr: ModelSpecific::default(),
            cpl: 0,
            shadow: InterruptShadow::None,
            activity: Activity::Running,
            nmi_blocked: false,
            debug_conditions: Dr6::empty(),
            fault_address: 0,
            ram: Ram::new(ram_size),
            frames: FrameMap::IDENTITY,
            invalidated_page: None,
            sensitive: None,
            features: Features::default(),
            timing: Timing::default(),
            cycles: 0,
            instructions: 0,
            iterations: 0,
            counts: [Counts::default(); 2],
            counted: (0, 0),
            counted_ring_3: false,
            recent: RecentBlocks::default(),
            deliveries: RecentDeliveries::default(),
            failed_deliveries: RecentFailures::default(),
            tlb: Tlb::default(),
            blocks: Blocks::default(),
            intercepts: Intercepts::NONE,
            device: DeviceDialogue::default(),
            pending_debug: Dr6::empty(),
            written_code: Vec::new(),
            traced_writes: Vec::new(),
            attention: false,
            deadline: 0,
            next_rip: 0,
            repeating: false,
            steps_at_end: false,
            double_faulting: [Exception::INVALID_OPCODE; 2],
            code_size: CodeSize::Bits16,
            read_mask: 0,
            write_mask: 0,
        };
        cpu.registers.set(RIP, 0xfff0);
        cpu.registers.set(RDX, u64::from(cpu.features.signature()));
        cpu.refresh();
        cpu
    }

    /// Works out everything that is derived from the architectural state. Drops all cached
    /// translations.
    pub fn refresh(&mut self) {
        self.tlb.flush_all();
        self.mode_changed();
    }

    /// Works out everything that is derived from the architectural state but the TLB: enough
    /// after changes that no translation depends on.
    pub fn state_changed(&mut self) {
        self.mode_changed();
    }

    /// Writes RAM from outside, as a device does: decoded code that it hits is forgotten. Returns
    /// whether all of it was RAM; if not, nothing is written.
    pub fn write_ram(&mut self, address: u64, bytes: &[u8]) -> bool {
        let length = bytes.len() as u64;
        let Some(target) = self.ram.slice_mut(address, length) else { return false };
        target.copy_from_slice(bytes);
        for page in (address >> PAGE_SHIFT)..=((address + length.max(1) - 1) >> PAGE_SHIFT) {
            self.note_write(page << PAGE_SHIFT);
        }
        true
    }

    /// After a change of RAM behind the CPU's back: decoded code is forgotten.
    pub fn forget_decoded_code(&mut self) {
        let Self { blocks, ram, .. } = self;
        blocks.clear(ram);
    }

    /// Number of decoded blocks held.
    pub fn decoded_blocks(&self) -> usize {
        self.blocks.len()
    }

    /// Adds a watch mark to the page of a physical address.
    pub fn watch_page(&mut self, physical: u64, watch: Watch) {
        self.ram.set_watch(physical, watch, true);
        self.tlb.deny_writes(physical);
    }

    /// What happened since the CPU was made, in rings 0 to 2 and in ring 3. Together they take
    /// all the cycles but those that somebody added to [`Cpu::cycles`] from outside.
    pub fn counts(&self) -> [Counts; 2] {
        let mut counts = self.counts;
        let current = &mut counts[usize::from(self.counted_ring_3)];
        current.instructions += self.instructions - self.counted.0;
        current.iterations += self.iterations - self.counted.1;
        counts
    }

    /// Counts an operation and lets the time pass that it takes.
    pub(crate) fn charge(&mut self, operation: Operation) {
        self.charge_times(operation, 1);
    }

    pub(crate) fn charge_times(&mut self, operation: Operation, times: u64) {
        self.counts[usize::from(self.counted_ring_3)].add(operation, times);
        self.cycles += times * self.timing.price(operation);
    }

    /// The instruction pointer.
    pub fn rip(&self) -> u64 {
        self.registers.get(RIP)
    }

    /// The stack pointer.
    pub fn rsp(&self) -> u64 {
        self.registers.get(RSP)
    }

    /// Counters of the TLB.
    pub fn tlb_statistics(&self) -> TlbStatistics {
        self.tlb.statistics
    }

    /// Number of translations that the TLB holds.
    pub fn tlb_entries(&self) -> usize {
        self.tlb.len()
    }

    /// The default size of operands and addresses.
    pub fn code_size(&self) -> CodeSize {
        self.code_size
    }

    /// The operating mode.
    pub fn mode(&self) -> Mode {
        if !self.control.cr0.contains(Cr0::PE) {
            Mode::Real
        } else if self.control.efer.contains(Efer::LMA) {
            if self.code_size == CodeSize::Bits64 { Mode::Long64 } else { Mode::Compatibility }
        } else if self.flags.system().contains(Rflags::VM) {
            Mode::Virtual8086
        } else {
            Mode::Protected
        }
    }

    /// The time-stamp counter.
    pub fn time_stamp(&self) -> u64 {
        self.cycles.wrapping_add(self.msr.tsc_adjust)
    }

    /// Whether interrupts are enabled in RFLAGS.
    pub fn interrupts_enabled(&self) -> bool {
        self.flags.system().contains(Rflags::IF)
    }

    /// Works out the code size and the access masks again: CS, CPL, CR0, EFER, DR7 or
    /// RFLAGS.VM or AC changed. Ends the current block.
    pub(crate) fn mode_changed(&mut self) {
        let cs = self.segments.get(SegmentName::Cs).attributes;
        let long = self.control.efer.contains(Efer::LMA);
        self.counts = self.counts();
        self.counted = (self.instructions, self.iterations);
        self.counted_ring_3 = self.cpl == 3;
        self.code_size = if long && cs.is_long() {
            CodeSize::Bits64
        } else if cs.is_big() {
            CodeSize::Bits32
        } else {
            CodeSize::Bits16
        };
        self.access_changed();
    }

    /// Works out the access masks again.
    pub(crate) fn access_changed(&mut self) {
        self.tlb.forget_code();
        let override_smap = self.flags.system().contains(Rflags::AC);
        let (read, write) = match (self.cpl == 3, override_smap) {
            (true, _) => (Denied::USER_READ, Denied::USER_WRITE),
            (false, true) => (Denied::OVERRIDE_READ, Denied::OVERRIDE_WRITE),
            (false, false) => (Denied::SUPERVISOR_READ, Denied::SUPERVISOR_WRITE),
        };
        let watched = self.debug.any_enabled()
            && self
                .debug
                .enabled()
                .any(|b| matches!(b.condition, Condition::Write | Condition::Access));
        let slow =
            if watched || self.checks_alignment() { Denied::ALWAYS } else { Denied::empty() };
        let page = crate::memory::tlb::PAGE_MASK;
        self.read_mask = page | (read | slow).bits();
        self.write_mask = page | (write | slow).bits();
        self.attention = true;
    }

    /// Whether unaligned data accesses raise #AC now.
    pub(crate) fn checks_alignment(&self) -> bool {
        self.cpl == 3
            && self.control.cr0.contains(Cr0::AM)
            && self.flags.system().contains(Rflags::AC)
    }

    /// Stops here if the instruction is intercepted.
    #[inline]
    pub(crate) fn intercept(&mut self, instruction: Sensitive) -> Result<(), Stop> {
        self.sensitive = Some(instruction);
        if self.intercepts.instruction(instruction) {
            return Err(Stop::Intercepted(instruction));
        }
        Ok(())
    }

    /// Raises #GP(0) outside ring 0.
    #[inline]
    pub(crate) fn require_ring_0(&self) -> Result<(), Stop> {
        if self.cpl != 0 {
            return Err(Exception::GENERAL_PROTECTION.into());
        }
        Ok(())
    }

    /// Raises #UD in real and virtual-8086 mode.
    #[inline]
    pub(crate) fn require_descriptors(&self) -> Result<(), Stop> {
        if !self.mode().has_descriptors() {
            return Err(Exception::INVALID_OPCODE.into());
        }
        Ok(())
    }
}

impl std::fmt::Debug for Cpu {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cpu")
            .field("mode", &self.mode())
            .field("cpl", &self.cpl)
            .field("rip", &self.rip())
            .field("cycles", &self.cycles)
            .finish_non_exhaustive()
    }
}
