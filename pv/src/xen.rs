//! The 64-bit Xen PV ABI, as Xen 4.17 has it.
//!
//! One file for each subject; [`calls`] is the table of hypercalls. What the words mean:
//! a *machine frame* is a page of the machine's RAM, and page-table entries hold those; a page of
//! the guest's own numbering, from 0, is *pseudo-physical*.

mod builder;
pub mod calls;
mod console;
pub mod descriptors;
mod devices;
mod emulation;
pub mod errors;
mod events;
mod exceptions;
pub mod frame_types;
mod grants;
mod hypercall_page;
mod hypercalls;
pub mod layout;
mod memory;
mod mmu_extended;
mod multicall;
mod own_tables;
pub mod page_tables;
mod page_updates;
mod returns;
mod scheduling;
mod table_writes;
mod timers;
mod traps;
mod vcpu;
mod verification;
mod version;
mod virtual_registers;

use paravane_core::guest_image::{GuestImage, LoadOptions};
use paravane_core::hypervisor::paravirt::{
    BuildError, CallDescription, Handled, Next, ParavirtAbi, Services, Stop,
};
use paravane_core::inspection::Inspection;
use paravane_cpu::{Exit, Sensitive};

use events::EventChannels;
use frame_types::FrameTypes;
use own_tables::OwnTables;
use vcpu::Vcpu;

/// The personality's name.
pub const NAME: &str = "xen";

/// The domain: what is not the virtual CPU's.
#[derive(Clone, Debug, Default)]
struct Domain {
    /// Its number.
    number: u16,
    /// Frames that it has, and may have.
    frames: u64,
    most_frames: u64,
    /// The frame of `shared_info`.
    shared_info: u64,
    store_frame: u64,
    store_port: u32,
    console_frame: u64,
    console_port: u32,
    /// The guest uses the console's ring.
    console_ring_used: bool,
    /// Console input that was not read yet.
    input: console::Input,
    /// Chosen assists (`VMASST_TYPE_*`), as bits.
    assists: u64,
    grant_frames: Vec<u64>,
}

/// Xen with one domain.
#[derive(Clone, Debug)]
pub struct Xen {
    frames: FrameTypes,
    own: OwnTables,
    vcpu: Vcpu,
    domain: Domain,
    events: EventChannels,
    /// Measure of the work that hypercalls have done, so that none goes on for too long.
    work: u64,
    in_multicall: bool,
    /// The domain has come to an end.
    stop: Option<Stop>,
}

impl Default for Xen {
    fn default() -> Self {
        Self {
            frames: FrameTypes::default(),
            own: OwnTables::default(),
            vcpu: Vcpu::default(),
            domain: Domain { number: 1, ..Domain::default() },
            events: EventChannels::default(),
            work: 0,
            in_multicall: false,
            stop: None,
        }
    }
}

impl Xen {
    /// Ends the domain (`domain_crash`).
    fn crash(&mut self, why: String) {
        self.stop.get_or_insert(Stop::Crashed(why));
    }

    /// What each machine frame is used as.
    pub fn frame_types(&self) -> &FrameTypes {
        &self.frames
    }

    fn next(&self) -> Next {
        self.stop.clone().map_or(Next::Resume, Next::Stop)
    }
}

impl ParavirtAbi for Xen {
    fn name(&self) -> &'static str {
        NAME
    }

    fn frames_needed(&self, frames: u64) -> u64 {
        OwnTables::frames_needed(frames)
    }

    fn build_domain(
        &mut self,
        image: &GuestImage,
        options: &LoadOptions,
        frames: &[u64],
        services: &mut dyn Services,
    ) -> Result<(), BuildError> {
        self.build(image, options, frames, services)
    }

    fn claims(&self, exit: &Exit) -> bool {
        matches!(
            exit,
            Exit::Exception(_)
                | Exit::SoftwareInterrupt { .. }
                | Exit::Instruction { instruction: Sensitive::Syscall | Sensitive::Sysenter, .. }
                | Exit::NonMaskableInterrupt
        )
    }

    fn handle(&mut self, exit: Exit, services: &mut dyn Services) -> Handled {
        let cause = match exit {
            Exit::Exception(exception) => self.exception(services, exception),
            Exit::SoftwareInterrupt { interrupt, length } => {
                self.software_interrupt(services, interrupt, length)
            }
            Exit::Instruction { instruction: Sensitive::Sysenter, .. } => self.sysenter(services),
            Exit::Instruction { length, .. } => self.syscall(services, length),
            _ => self.nmi(services),
        };
        Handled { cause, next: self.next() }
    }

    fn before_entry(&mut self, services: &mut dyn Services) -> Option<Handled> {
        if self.stop.is_some() {
            return None;
        }
        let cause = self.deliver_events(services)?;
        Some(Handled { cause, next: self.next() })
    }

    fn is_waiting(&self) -> bool {
        self.vcpu.waiting
    }

    fn next_timer(&self) -> u64 {
        self.vcpu.timers.next()
    }

    fn timer(&mut self, services: &mut dyn Services) {
        self.fire_timers(services);
    }

    fn console_input(&mut self, services: &mut dyn Services) {
        self.take_console_input(services);
    }

    fn in_kernel(&self) -> bool {
        self.vcpu.kernel_mode
    }

    fn describe_call(&self, number: u32) -> Option<CallDescription> {
        calls::find(number).copied()
    }

    fn inspect(&self) -> Inspection {
        let [l1, l2, l3, l4, descriptors, writable] = self.frames.census();
        let types = Inspection::new()
            .field("level 1 tables", l1)
            .field("level 2 tables", l2)
            .field("level 3 tables", l3)
            .field("level 4 tables", l4)
            .field("descriptor tables", descriptors)
            .field("writable", writable);
        let vcpu = Inspection::new()
            .field("mode", if self.vcpu.kernel_mode { "kernel" } else { "program" })
            .field("state", if self.vcpu.waiting { "blocked" } else { "running" })
            .hex("kernel root", self.vcpu.root << 12)
            .hex("user root", self.vcpu.user_root << 12)
            .hex("kernel stack", self.vcpu.kernel_stack)
            .field("I/O privilege level", self.vcpu.io_privilege);
        Inspection::new()
            .group("vCPU", vcpu)
            .group("frame types", types)
            .field("frames", self.domain.frames)
            .field("event channels", self.events.in_use())
            .hex("assists", self.domain.assists)
    }

    fn verify(&self, services: &dyn Services) -> Result<(), String> {
        self.verify_counts(services)
    }

    fn clone_box(&self) -> Box<dyn ParavirtAbi> {
        Box::new(self.clone())
    }
}
