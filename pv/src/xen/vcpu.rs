//! The virtual CPU: what Xen keeps of it beside the real registers, and its `vcpu_info`.

use paravane_core::hypervisor::paravirt::Services;
use paravane_cpu::state::segments::SegmentName;

use super::Xen;
use super::errors::Errno;
use super::layout::{is_guest_array, vcpu_info};
use super::timers::Timers;

/// One entry of the virtual interrupt table (`struct trap_info`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trap {
    /// The handler; 0 if there is none.
    pub address: u64,
    /// Its code segment, which 64-bit guests can't choose.
    pub selector: u16,
    /// The outermost ring that may call it by INT.
    pub ring: u8,
    /// Events are masked when it is called.
    pub mask_events: bool,
}

/// An entry point of the guest's kernel (`struct callback_register`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Callback {
    /// Its address; 0 if there is none.
    pub address: u64,
    /// Events are masked when it is called.
    pub mask_events: bool,
}

/// Types of callbacks (`CALLBACKTYPE_*`).
pub mod callback {
    /// Events.
    pub const EVENT: usize = 0;
    /// A segment register or frame could not be loaded.
    pub const FAILSAFE: usize = 1;
    /// SYSCALL from 64-bit programs.
    pub const SYSCALL: usize = 2;
    /// NMI.
    pub const NMI: usize = 4;
    /// SYSENTER.
    pub const SYSENTER: usize = 5;
    /// SYSCALL from 32-bit programs.
    pub const SYSCALL32: usize = 7;
    /// Number of types.
    pub const COUNT: usize = 8;
}

/// The guest's one vCPU.
#[derive(Clone, Debug)]
pub struct Vcpu {
    /// Executing the guest's kernel (`TF_kernel_mode`).
    pub kernel_mode: bool,
    /// Root table of the kernel.
    pub root: u64,
    /// Root table of the programs; 0 if there is none.
    pub user_root: u64,
    /// Where the kernel's stack begins when a program is interrupted.
    pub kernel_stack: u64,
    /// The virtual interrupt table.
    pub traps: Vec<Trap>,
    /// The other entry points.
    pub callbacks: [Callback; callback::COUNT],
    /// The virtual I/O privilege level.
    pub io_privilege: u8,
    /// Frame and offset of its `vcpu_info`.
    pub info: (u64, u64),
    /// That it lies in a frame of its own was asked for.
    pub info_moved: bool,
    /// CR4 as the guest sees it.
    pub control_4: u64,
    /// Frames of the global descriptor table.
    pub descriptor_frames: Vec<u64>,
    /// Descriptors in it.
    pub descriptors: u64,
    /// Linear address and number of descriptors of the local table.
    pub local_table: (u64, u16),
    /// Its mapped pages: frame, or 0.
    pub local_pages: [u64; 16],
    /// Waits for an event (SCHEDOP_block or poll).
    pub waiting: bool,
    /// The ports that a poll waits for.
    pub polled: Vec<u32>,
    /// Its timers.
    pub timers: Timers,
    /// Linear address of the run-state area; 0 if there is none.
    pub run_state: u64,
    /// Nanoseconds spent running and blocked, and when the state was last entered.
    pub run_times: [u64; 2],
    /// When the present state was entered.
    pub state_since: u64,
}

impl Default for Vcpu {
    fn default() -> Self {
        Self {
            kernel_mode: true,
            root: 0,
            user_root: 0,
            kernel_stack: 0,
            traps: vec![Trap::default(); 256],
            callbacks: [Callback::default(); callback::COUNT],
            io_privilege: 0,
            info: (0, 0),
            info_moved: false,
            control_4: 0,
            descriptor_frames: Vec::new(),
            descriptors: 0,
            local_table: (0, 0),
            local_pages: [0; 16],
            waiting: false,
            polled: Vec::new(),
            timers: Timers::default(),
            run_state: 0,
            run_times: [0; 2],
            state_since: 0,
        }
    }
}

impl Xen {
    /// The root table that is in use: the kernel's or the programs'.
    pub(super) fn current_root(&self) -> u64 {
        if self.vcpu.kernel_mode { self.vcpu.root } else { self.vcpu.user_root }
    }

    /// Changes between kernel and program (`toggle_guest_mode`): both are in ring 3, so the root
    /// table and the base of GS are what tells them apart.
    pub(super) fn toggle_mode(&mut self, services: &mut dyn Services) {
        self.vcpu.kernel_mode = !self.vcpu.kernel_mode;
        let gs = services.segment(SegmentName::Gs);
        let other = services.shadow_gs_base();
        services.set_shadow_gs_base(gs.base);
        services.set_segment(SegmentName::Gs, gs.with_base(other));
        services.set_root(self.current_root(), false);
    }

    /// Reads a byte of `vcpu_info`.
    pub(super) fn info_byte(&self, services: &dyn Services, field: u64) -> u8 {
        let (frame, offset) = self.vcpu.info;
        let mut byte = [0];
        services.read_frame(frame, offset + field, &mut byte);
        byte[0]
    }

    /// Writes bytes of `vcpu_info`.
    pub(super) fn write_info(&self, services: &mut dyn Services, field: u64, bytes: &[u8]) {
        let (frame, offset) = self.vcpu.info;
        services.write_frame(frame, offset + field, bytes);
    }

    /// Reads the word of `vcpu_info` that says which words of ports have news.
    pub(super) fn pending_words(&self, services: &dyn Services) -> u64 {
        let (frame, offset) = self.vcpu.info;
        let mut bytes = [0; 8];
        services.read_frame(frame, offset + vcpu_info::PENDING_WORDS, &mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// Whether the guest accepts events: its interrupt flag.
    pub(super) fn events_masked(&self, services: &dyn Services) -> bool {
        self.info_byte(services, vcpu_info::UPCALL_MASK) != 0
    }

    /// Sets or clears the event mask.
    pub(super) fn mask_events(&self, services: &mut dyn Services, masked: bool) {
        self.write_info(services, vcpu_info::UPCALL_MASK, &[masked.into()]);
    }

    /// Copies from guest memory (`copy_from_guest`).
    pub(super) fn read_guest(
        &self,
        services: &mut dyn Services,
        linear: u64,
        bytes: &mut [u8],
    ) -> Result<(), Errno> {
        if !is_guest_array(linear, 1, bytes.len() as u64) {
            return Err(Errno::Fault);
        }
        services.read_linear(linear, bytes).map_err(|_| Errno::Fault)
    }

    /// Copies to guest memory (`copy_to_guest`).
    pub(super) fn write_guest(
        &self,
        services: &mut dyn Services,
        linear: u64,
        bytes: &[u8],
    ) -> Result<(), Errno> {
        if !is_guest_array(linear, 1, bytes.len() as u64) {
            return Err(Errno::Fault);
        }
        services.write_linear(linear, bytes).map_err(|_| Errno::Fault)
    }

    /// Copies 64-bit words from guest memory.
    pub(super) fn read_words<const N: usize>(
        &self,
        services: &mut dyn Services,
        linear: u64,
    ) -> Result<[u64; N], Errno> {
        let mut words = [0; N];
        let mut bytes = [0; 64];
        let part = bytes.get_mut(..8 * N).ok_or(Errno::Fault)?;
        self.read_guest(services, linear, part)?;
        for (word, chunk) in words.iter_mut().zip(part.as_chunks().0) {
            *word = u64::from_le_bytes(*chunk);
        }
        Ok(words)
    }

    /// Copies 64-bit words to guest memory.
    pub(super) fn write_words(
        &self,
        services: &mut dyn Services,
        linear: u64,
        words: &[u64],
    ) -> Result<(), Errno> {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.write_guest(services, linear, &bytes)
    }
}
