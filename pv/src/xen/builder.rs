//! The domain builder: puts a guest into its memory as its ELF notes ask, and makes its first
//! address space.
//!
//! ```text
//!   VIRT_BASE ─► kernel │ module │ frame list │ start_info │ store │ console │ page tables │ stack
//!                                                                            │ read-only   │
//!                └────────────── all mapped, with at least 512 KiB more, to a 4 MiB boundary ──────┘
//! ```
//!
//! Source: `xen/arch/x86/pv/dom0_build.c`, `struct start_info` in `xen/include/public/xen.h`.

mod initial_tables;
mod start_info;

use paravane_core::guest_image::{GuestImage, LoadOptions, StartKind};
use paravane_core::hypervisor::paravirt::{BuildError, Services};
use paravane_cpu::state::flags::Rflags;
use paravane_cpu::state::registers::{RIP, RSI, RSP};
use paravane_cpu::state::segments::{Segment, SegmentName, Selector};

use super::events::Channel;
use super::frame_types::{FrameType, FrameTypes};
use super::layout::{XEN_END, XEN_START, is_guest_address, is_guest_array};
use super::own_tables::OwnTables;
use super::{Xen, hypercall_page};

const PAGE: u64 = 4096;
/// The initial mapping ends at a multiple of this.
const ROUND: u64 = 4 << 20;
/// Mapped behind the boot stack, at least.
const PADDING: u64 = 512 << 10;
/// Features that a guest may require: what `XENVER_get_features` answers, and "dom0".
const FEATURES: u32 = 0x0002_20e0 | 1 << 11;

/// A range of the domain's pages: first page and number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pages {
    pub first: u64,
    pub count: u64,
}

impl Pages {
    fn end(self) -> u64 {
        self.first + self.count
    }
}

/// Where everything is, in pages from the start of the domain's memory.
#[derive(Clone, Copy, Debug, Default)]
struct Plan {
    /// Linear address of page 0.
    base: u64,
    module: Pages,
    frame_list: Pages,
    /// Linear address of the frame list.
    frame_list_at: u64,
    start_info: u64,
    store: u64,
    console: u64,
    tables: Pages,
    stack: u64,
    /// Pages that are mapped from `base`.
    mapped: u64,
}

impl Plan {
    fn linear(&self, page: u64) -> u64 {
        self.base.wrapping_add(page * PAGE)
    }
}

fn pages(bytes: u64) -> u64 {
    bytes.div_ceil(PAGE)
}

impl Xen {
    /// Builds the domain in `frames`.
    pub(super) fn build(
        &mut self,
        image: &GuestImage,
        options: &LoadOptions,
        frames: &[u64],
        services: &mut dyn Services,
    ) -> Result<(), BuildError> {
        check_image(image)?;
        let no_room = |what| BuildError::NoRoom { name: image.name().into(), what };
        self.frames = FrameTypes::new(services.frame_count());
        for frame in frames {
            self.frames.give(*frame);
        }
        let plan = plan(image, options, frames.len() as u64)?;
        self.own = OwnTables::new(services).ok_or(no_room("Xen"))?;
        for (page, frame) in (0..).zip(frames) {
            self.set_machine_to_physical(services, *frame, page);
        }
        self.domain.frames = frames.len() as u64;
        self.domain.most_frames = frames.len() as u64;
        self.domain.shared_info = self.share_frame(services).ok_or(no_room("shared_info"))?;
        self.vcpu.info = (self.domain.shared_info, 0);

        let memory = Memory { frames };
        load_segments(image, &memory, services);
        write_frame_list(&plan, &memory, services);
        if let Some(module) = options.modules.first() {
            memory.write(services, plan.module.first * PAGE, &module.bytes);
        }
        self.open_channels(&plan, &memory);
        start_info::write(self, &plan, &memory, image, options, services);
        if let Some(page) = image.xen_notes().hypercall_page {
            let at = page.wrapping_sub(plan.base);
            memory.write(services, at, &hypercall_page::content());
        }
        let root = initial_tables::write(&plan, &memory, services);
        let cant_map = |_| no_room("a valid initial address space");
        self.pin(services, root, 4).map_err(cant_map)?;
        self.get_frame_as(services, root, FrameType::Table(4)).map_err(cant_map)?;
        self.vcpu.root = root;
        self.start(image, &plan, services);
        Ok(())
    }

    /// The channels and frames of console and store.
    fn open_channels(&mut self, plan: &Plan, memory: &Memory<'_>) {
        let mut open = |channel| self.events.open(channel).unwrap_or_default();
        self.domain.store_port = open(Channel::Store);
        self.domain.console_port = open(Channel::Console);
        self.domain.store_frame = memory.frame(plan.store);
        self.domain.console_frame = memory.frame(plan.console);
        for frame in [self.domain.store_frame, self.domain.console_frame] {
            // Xen looks at them: they stay even if the guest gives them back.
            let _ = self.get_frame(frame);
        }
    }

    /// The vCPU at the guest's first instruction.
    fn start(&mut self, image: &GuestImage, plan: &Plan, services: &mut dyn Services) {
        services.enter_long_mode();
        services.set_root(self.vcpu.root, true);
        self.load_table_registers(services);
        for name in [SegmentName::Ds, SegmentName::Es, SegmentName::Fs, SegmentName::Gs] {
            services.set_segment(name, Segment::null(Selector(0)));
        }
        self.load_flat_segments(services);
        services.set_flags(Rflags::IF | Rflags::FIXED);
        let entry = image.xen_notes().entry.unwrap_or(image.entry());
        let registers = services.registers();
        *registers = Default::default();
        registers.set(RIP, entry);
        registers.set(RSP, plan.linear(plan.stack + 1));
        registers.set(RSI, plan.linear(plan.start_info));
        self.vcpu.kernel_mode = true;
        self.vcpu.control_4 = super::virtual_registers::fixed_cr4(0);
        self.mask_events(services, true);
        self.write_time(services);
        self.write_wall_clock(services);
    }
}

/// The domain's memory by its own page numbers.
struct Memory<'a> {
    frames: &'a [u64],
}

impl Memory<'_> {
    /// The machine frame of a page. Only pages of the plan are asked for, and those exist.
    fn frame(&self, page: u64) -> u64 {
        self.frames.get(page as usize).copied().unwrap_or_default()
    }

    fn write(&self, services: &mut dyn Services, at: u64, bytes: &[u8]) {
        let mut at = at;
        let mut rest = bytes;
        while !rest.is_empty() {
            let in_page = (PAGE - at % PAGE).min(rest.len() as u64) as usize;
            let (part, after) = rest.split_at(in_page);
            if let Some(frame) = self.frames.get((at / PAGE) as usize) {
                services.write_frame(*frame, at % PAGE, part);
            }
            at += in_page as u64;
            rest = after;
        }
    }
}

fn check_image(image: &GuestImage) -> Result<(), BuildError> {
    let missing = |missing| BuildError::Missing { name: image.name().into(), missing };
    for method in image.start_methods() {
        if let (StartKind::XenPv, Some(reason)) = (method.kind, method.missing) {
            return Err(missing(reason));
        }
    }
    let required = image.xen_notes().features.as_ref().map_or(0, |features| features.required);
    if required & !FEATURES != 0 {
        let names = paravane_core::guest_image::Features::names(required & !FEATURES);
        let names: Vec<_> = names.collect();
        return Err(missing(format!("it requires {}, which this Xen lacks", names.join(", "))));
    }
    Ok(())
}

/// Where a segment goes, in bytes from the start of the domain's memory.
fn place(image: &GuestImage, physical: u64) -> u64 {
    physical.wrapping_sub(image.xen_notes().paddr_offset.unwrap_or(0))
}

fn plan(image: &GuestImage, options: &LoadOptions, count: u64) -> Result<Plan, BuildError> {
    let no_room = |what| BuildError::NoRoom { name: image.name().into(), what };
    let wrong = |what, address| BuildError::Address { name: image.name().into(), what, address };
    let notes = image.xen_notes();
    let base = notes.virt_base.unwrap_or(0);
    if !base.is_multiple_of(PAGE) || !is_guest_address(base) {
        return Err(wrong("XEN_ELFNOTE_VIRT_BASE", base));
    }
    let size = count * PAGE;
    let mut end = 0;
    for segment in image.segments() {
        let start = place(image, segment.physical_address);
        let last = start.checked_add(segment.memory_size).filter(|last| *last <= size);
        end = end.max(last.ok_or(no_room("the kernel"))?);
    }
    let mut next = pages(end);
    let mut take = |count| {
        let first = next;
        next += count;
        Pages { first, count }
    };
    let module_size = options.modules.first().map_or(0, |module| module.bytes.len() as u64);
    let apart = notes.mod_start_pfn.unwrap_or(0) != 0;
    let mut plan = Plan { base, ..Plan::default() };
    if !apart {
        plan.module = take(pages(module_size));
    }
    if notes.init_p2m.is_none() {
        plan.frame_list = take(pages(count * 8));
    }
    plan.start_info = take(1).first;
    plan.store = take(1).first;
    plan.console = take(1).first;
    plan.frame_list_at = notes.init_p2m.unwrap_or(plan.linear(plan.frame_list.first));
    let list_fits =
        plan.frame_list_at.is_multiple_of(PAGE) && is_guest_array(plan.frame_list_at, count, 8);
    if notes.init_p2m.is_some() && !list_fits {
        return Err(wrong("XEN_ELFNOTE_INIT_P2M", plan.frame_list_at));
    }

    // The tables must map themselves, too: try until they are enough.
    let first_table = next;
    let mut tables = 4;
    loop {
        plan.tables = Pages { first: first_table, count: tables };
        plan.stack = plan.tables.end();
        let bytes = (plan.stack + 1) * PAGE;
        let behind = initial_mapping(base, bytes).ok_or(wrong("XEN_ELFNOTE_VIRT_BASE", base))?;
        if notes.init_p2m.is_some() {
            plan.frame_list = Pages { first: plan.stack + 1, count: pages(count * 8) };
        }
        let mut used = plan.frame_list.end().max(plan.stack + 1);
        if apart {
            plan.module = Pages { first: used, count: pages(module_size) };
            used = plan.module.end();
        }
        if used > count {
            return Err(no_room("what Xen passes to the guest"));
        }
        plan.mapped = behind.min(count);
        let last = plan.linear(plan.mapped);
        if last < base || base < XEN_START && last > 1 << 47 || (XEN_START..XEN_END).contains(&last)
        {
            return Err(wrong("XEN_ELFNOTE_VIRT_BASE", base));
        }
        let needed = initial_tables::needed(&plan);
        if needed <= tables {
            break;
        }
        tables = needed;
    }
    let mapped = base..plan.linear(plan.mapped);
    if let Some(page) = notes.hypercall_page
        && (page % PAGE != 0 || !mapped.contains(&page))
    {
        return Err(wrong("XEN_ELFNOTE_HYPERCALL_PAGE", page));
    }
    let entry = notes.entry.unwrap_or(image.entry());
    if !mapped.contains(&entry) {
        return Err(wrong("XEN_ELFNOTE_ENTRY", entry));
    }
    Ok(plan)
}

/// Pages that are mapped at first for a domain that takes `bytes` bytes up to the end of its boot
/// stack. `None`: they run over the end of the address space.
fn initial_mapping(base: u64, bytes: u64) -> Option<u64> {
    let stack_end = base.checked_add(bytes)?;
    let end = stack_end.checked_next_multiple_of(ROUND)?;
    let end = if end - stack_end < PADDING { end.checked_add(ROUND)? } else { end };
    Some(pages(end - base))
}

fn load_segments(image: &GuestImage, memory: &Memory<'_>, services: &mut dyn Services) {
    for segment in image.segments() {
        let at = place(image, segment.physical_address);
        memory.write(services, at, image.segment_bytes(segment));
    }
}

/// The list from the domain's pages to machine frames.
fn write_frame_list(plan: &Plan, memory: &Memory<'_>, services: &mut dyn Services) {
    let bytes: Vec<u8> = memory.frames.iter().flat_map(|frame| frame.to_le_bytes()).collect();
    memory.write(services, plan.frame_list.first * PAGE, &bytes);
}
