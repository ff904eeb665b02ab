//! What a personality sees of the machine.

use paravane_cpu::state::debug::{Debug, Dr6};
use paravane_cpu::state::flags::Rflags;
use paravane_cpu::state::registers::Registers;
use paravane_cpu::state::segments::{Segment, SegmentName, TableRegister};
use paravane_cpu::{AccessWidth, Features};

use crate::accounting::Primitive;
use crate::hypervisor::frames::{FrameNumber, Owner};

/// A guest address could not be accessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuestFault {
    /// The linear address of the first byte that could not be.
    pub address: u64,
    /// The error code of the page fault.
    pub error_code: u16,
}

/// The machine in a personality's hands.
///
/// Frame accesses assert that the frame belongs to the guest or to the hypervisor: a personality
/// that lets a guest name a frame checks first whose it is.
pub trait Services {
    /// The general registers and the instruction pointer.
    fn registers(&mut self) -> &mut Registers;
    /// RFLAGS.
    fn flags(&self) -> Rflags;
    /// Sets RFLAGS.
    fn set_flags(&mut self, flags: Rflags);
    /// A segment register.
    fn segment(&self, name: SegmentName) -> Segment;
    /// Loads a segment register with its hidden part.
    fn set_segment(&mut self, name: SegmentName, segment: Segment);
    /// The base that SWAPGS would exchange with that of GS.
    fn shadow_gs_base(&self) -> u64;
    /// Sets the base that SWAPGS would exchange with that of GS.
    fn set_shadow_gs_base(&mut self, base: u64);
    /// Loads GDTR and LDTR.
    fn set_descriptor_tables(&mut self, global: TableRegister, local: Segment);
    /// The debug registers.
    fn debug(&mut self) -> &mut Debug;
    /// Why the last #DB was raised.
    fn debug_conditions(&self) -> Dr6;
    /// The address of the last page fault.
    fn fault_address(&self) -> u64;
    /// CR0.TS.
    fn task_switched(&self) -> bool;
    /// Sets CR0.TS.
    fn set_task_switched(&mut self, on: bool);
    /// What CPUID shows.
    fn features(&self) -> &Features;
    /// Sets up the processor for a guest in ring 3 of 64-bit mode.
    fn enter_long_mode(&mut self);

    /// The frame of the root page table.
    fn root(&self) -> FrameNumber;
    /// Loads CR3. All translations, or all but global ones, are dropped.
    fn set_root(&mut self, frame: FrameNumber, drop_global: bool);
    /// Drops all translations.
    fn drop_translations(&mut self);
    /// Drops the translation of one page.
    fn drop_translation(&mut self, linear: u64);
    /// Reads guest memory with the rights of ring 3.
    ///
    /// # Errors
    /// A page is absent or not readable; the bytes before it were read.
    fn read_linear(&mut self, linear: u64, bytes: &mut [u8]) -> Result<(), GuestFault>;
    /// Writes guest memory with the rights of ring 3.
    ///
    /// # Errors
    /// A page is absent or not writable; the bytes before it were written.
    fn write_linear(&mut self, linear: u64, bytes: &[u8]) -> Result<(), GuestFault>;

    /// Number of machine frames.
    fn frame_count(&self) -> u64;
    /// The owner of a frame, if it exists.
    fn owner(&self, frame: FrameNumber) -> Option<Owner>;
    /// Takes a free frame and clears it.
    fn allocate(&mut self, owner: Owner) -> Option<FrameNumber>;
    /// Gives a frame back.
    fn release(&mut self, frame: FrameNumber);
    /// Reads one of the 512 words of a frame.
    fn read_word(&self, frame: FrameNumber, index: usize) -> u64;
    /// Writes one of the 512 words of a frame.
    fn write_word(&mut self, frame: FrameNumber, index: usize, value: u64);
    /// Reads bytes of a frame; what exceeds it reads as zero.
    fn read_frame(&self, frame: FrameNumber, offset: u64, bytes: &mut [u8]);
    /// Writes bytes of a frame; what exceeds it is dropped.
    fn write_frame(&mut self, frame: FrameNumber, offset: u64, bytes: &[u8]);

    /// Guest time in cycles.
    fn now(&self) -> u64;
    /// Cycles in a second.
    fn cycles_per_second(&self) -> u64;
    /// What is added to the cycles to give the time-stamp counter.
    fn time_stamp_offset(&self) -> u64;
    /// Sends bytes to the machine's console.
    fn console_write(&mut self, bytes: &[u8]);
    /// Takes the input of the machine's console that has come; returns the number of bytes.
    fn console_read(&mut self, bytes: &mut [u8]) -> usize;
    /// Reads a port of the board.
    fn read_port(&mut self, port: u16, width: AccessWidth) -> u32;
    /// Writes a port of the board.
    fn write_port(&mut self, port: u16, width: AccessWidth, value: u32);

    /// Notes work that was done. The loop charges it to the cause that the exit turns out to have.
    fn charge(&mut self, primitive: Primitive, times: u64);
}
