//! Loads and stores: segmentation, then the TLB, then RAM or a device.
//!
//! The fast path is a segment check, one look-up and one compare. Everything else, be it a miss,
//! a page crossing, a watched page, device memory, an alignment check or a data breakpoint, goes
//! through the slow path, which knows all of them.

use super::frame_map::{FrameMap, OUTSIDE};
use super::paging::{self, Access, AccessKind, EntryMemory, Translation};
use super::ram::{PAGE_SHIFT, PAGE_SIZE, Ram, Watch};
use super::tlb::{Denied, Rights};
use crate::bus::AccessWidth;
use crate::cpu::Cpu;
use crate::exception::{Exception, Vector};
use crate::exit::{DeviceAccess, Step, Stop};
use crate::state::debug::Condition;
use crate::state::flags::Rflags;
use crate::state::mode::CodeSize;
use crate::state::segments::SegmentName;
use crate::timing::Operation;
use crate::word::Word;

/// Physical place of an operand: contiguous, or split over two pages.
#[derive(Clone, Copy)]
struct Place {
    first: u64,
    second: u64,
    /// Bytes in the first part.
    split: u64,
}

/// Page tables in RAM. Outside RAM an entry reads as all ones, as from an open bus.
struct Tables<'a> {
    ram: &'a mut Ram,
    frames: &'a FrameMap,
    written_code: &'a mut Vec<u64>,
    references: u64,
}

impl EntryMemory for Tables<'_> {
    fn read(&mut self, address: u64, bytes: u64) -> u64 {
        self.references += 1;
        let address = self.frames.machine_address(address);
        if bytes == 4 {
            self.ram.read::<u32>(address).unwrap_or(u32::MAX).into()
        } else {
            self.ram.read::<u64>(address).unwrap_or(u64::MAX)
        }
    }

    fn write(&mut self, address: u64, bytes: u64, value: u64) {
        let address = self.frames.machine_address(address);
        if bytes == 4 {
            self.ram.write(address, value as u32);
        } else {
            self.ram.write(address, value);
        }
        note_write(self.ram, self.written_code, address);
    }
}

fn note_write(ram: &mut Ram, written_code: &mut Vec<u64>, physical: u64) {
    let watch = ram.watch(physical);
    if watch.contains(Watch::CODE) {
        ram.set_watch(physical, Watch::CODE, false);
        written_code.push(physical >> PAGE_SHIFT);
    }
    ram.set_watch(physical, Watch::CLEAN, false);
}

impl Cpu {
    /// The linear address of a `W` at `offset`, after the segment's checks.
    #[inline(always)]
    pub(crate) fn linear<W: Word>(
        &self,
        name: SegmentName,
        offset: u64,
        write: bool,
    ) -> Result<u64, Stop> {
        let segment = self.segments.get(name);
        if self.code_size == CodeSize::Bits64 {
            let base = if name >= SegmentName::Fs { segment.base } else { 0 };
            return Ok(base.wrapping_add(offset));
        }
        let allowed = if write {
            segment.allows_write::<W>(offset)
        } else {
            segment.allows_read::<W>(offset)
        };
        if !allowed {
            return Err(self.segment_violation(name));
        }
        Ok(segment.base.wrapping_add(offset) & 0xffff_ffff)
    }

    /// #SS(0) for the stack segment, #GP(0) for the others.
    #[cold]
    pub(crate) fn segment_violation(&self, name: SegmentName) -> Stop {
        match name {
            SegmentName::Ss => Exception::with_code(Vector::StackFault, 0).into(),
            _ => Exception::GENERAL_PROTECTION.into(),
        }
    }

    /// Reads an operand.
    #[inline(always)]
    pub(crate) fn load<W: Word>(&mut self, name: SegmentName, offset: u64) -> Result<W, Stop> {
        let linear = self.linear::<W>(name, offset, false)?;
        let entry = self.tlb.entry(linear);
        if entry.allows(linear.wrapping_add(W::BYTES - 1), self.read_mask)
            && let Some(value) = self.ram.read(entry.physical(linear))
        {
            return Ok(value);
        }
        self.load_slow(name, linear)
    }

    /// Writes an operand.
    #[inline(always)]
    pub(crate) fn store<W: Word>(&mut self, name: SegmentName, offset: u64, value: W) -> Step {
        let linear = self.linear::<W>(name, offset, true)?;
        let entry = self.tlb.entry(linear);
        if entry.allows(linear.wrapping_add(W::BYTES - 1), self.write_mask)
            && self.ram.write(entry.physical(linear), value)
        {
            return Ok(());
        }
        self.store_slow(name, linear, value)
    }

    /// Replaces an operand, translated once, for writing. Returns the old and the new value.
    #[inline(always)]
    pub(crate) fn update<W: Word>(
        &mut self,
        name: SegmentName,
        offset: u64,
        change: impl FnOnce(W) -> W,
    ) -> Result<(W, W), Stop> {
        let linear = self.linear::<W>(name, offset, true)?;
        let entry = self.tlb.entry(linear);
        if entry.allows(linear.wrapping_add(W::BYTES - 1), self.write_mask) {
            let physical = entry.physical(linear);
            if let Some(old) = self.ram.read(physical) {
                let new = change(old);
                self.ram.write(physical, new);
                return Ok((old, new));
            }
        }
        let place = self.place_operand::<W>(name, linear, AccessKind::Write)?;
        let old = self.read_place(place)?;
        let new = change(old);
        self.write_place(place, new)?;
        Ok((old, new))
    }

    /// Checks that an operand could be written, and changes nothing but accessed and dirty bits.
    pub(crate) fn probe_write<W: Word>(&mut self, name: SegmentName, offset: u64) -> Step {
        let linear = self.linear::<W>(name, offset, true)?;
        if self.tlb.entry(linear).allows(linear.wrapping_add(W::BYTES - 1), self.write_mask) {
            return Ok(());
        }
        self.place_operand::<W>(name, linear, AccessKind::Write).map(drop)
    }

    #[cold]
    fn load_slow<W: Word>(&mut self, name: SegmentName, linear: u64) -> Result<W, Stop> {
        let place = self.place_operand::<W>(name, linear, AccessKind::Read)?;
        self.read_place(place)
    }

    #[cold]
    fn store_slow<W: Word>(&mut self, name: SegmentName, linear: u64, value: W) -> Step {
        let place = self.place_operand::<W>(name, linear, AccessKind::Write)?;
        self.write_place(place, value)
    }

    /// All checks of an explicit data access, and its physical place.
    fn place_operand<W: Word>(
        &mut self,
        name: SegmentName,
        linear: u64,
        kind: AccessKind,
    ) -> Result<Place, Stop> {
        let last = linear.wrapping_add(W::BYTES - 1);
        if self.code_size == CodeSize::Bits64
            && !(paging::is_canonical(linear) && paging::is_canonical(last))
        {
            return Err(self.segment_violation(name));
        }
        if self.checks_alignment() && linear & (W::BYTES - 1) != 0 {
            return Err(Exception::ALIGNMENT_CHECK.into());
        }
        let place = self.place(linear, W::BYTES, self.data_access(kind))?;
        if self.debug.any_enabled() {
            self.note_data_breakpoints(linear, W::BYTES, kind);
        }
        Ok(place)
    }

    fn place(&mut self, linear: u64, length: u64, access: Access) -> Result<Place, Stop> {
        let split = PAGE_SIZE - (linear & (PAGE_SIZE - 1));
        let first = self.translate(linear, access)?;
        let second = if split < length {
            let mut next = linear.wrapping_add(split);
            if self.code_size != CodeSize::Bits64 {
                next &= 0xffff_ffff;
            }
            self.translate(next, access)?
        } else {
            0
        };
        Ok(Place { first, second, split })
    }

    /// An explicit data access at the current privilege.
    fn data_access(&self, kind: AccessKind) -> Access {
        Access {
            kind,
            user: self.cpl == 3,
            smap_override: self.flags.system().contains(Rflags::AC),
        }
    }

    #[cold]
    fn note_data_breakpoints(&mut self, linear: u64, length: u64, kind: AccessKind) {
        let hits = self.debug.matching(|breakpoint| {
            let waits_for = match breakpoint.condition {
                Condition::Access => true,
                Condition::Write => kind == AccessKind::Write,
                Condition::Execute | Condition::Port => false,
            };
            waits_for && breakpoint.covers(linear, length)
        });
        if !hits.is_empty() {
            self.pending_debug |= hits;
            self.attention = true;
        }
    }

    /// Translates one linear address, walking the tables if the TLB can't answer.
    pub(crate) fn translate(&mut self, linear: u64, access: Access) -> Result<u64, Stop> {
        if let Some(entry) = self.tlb.find(linear)
            && paging::allowed(&self.control, entry.rights, access)
        {
            let physical = entry.physical(linear);
            self.fill(
                linear,
                Translation { physical, rights: entry.rights, size_shift: entry.size_shift },
            );
            return Ok(physical);
        }
        self.walk_and_fill(linear, access)
    }

    fn walk_and_fill(&mut self, linear: u64, access: Access) -> Result<u64, Stop> {
        match self.walk(linear, access, &mut |_| {}) {
            Ok(mut translation) => {
                translation.physical = self.frames.machine_address(translation.physical);
                self.fill(linear, translation);
                Ok(translation.physical)
            }
            Err(error_code) => {
                self.tlb.flush_page(linear);
                self.fault_address = linear;
                Err(Exception::with_code(Vector::PageFault, error_code).into())
            }
        }
    }

    /// Walks the page tables for an access, as the processor does on a TLB miss: accessed and
    /// dirty bits are set, `visit` sees each entry read. Addresses are what the tables say, not
    /// yet passed through [`Cpu::frames`].
    ///
    /// # Errors
    /// The error code of the page fault.
    pub fn walk(
        &mut self,
        linear: u64,
        access: Access,
        visit: &mut dyn FnMut(paging::WalkedEntry),
    ) -> Result<Translation, u16> {
        let Self { control, ram, frames, written_code, .. } = self;
        let mut tables = Tables { ram, frames, written_code, references: 0 };
        let result = paging::walk(control, &mut tables, linear, access, visit);
        let references = tables.references;
        if references > 0 {
            self.tlb.statistics.walks += 1;
            self.tlb.statistics.walk_references += references;
            self.charge_times(Operation::PageWalkReference, references);
        }
        self.attention |= !self.written_code.is_empty();
        result
    }

    fn fill(&mut self, linear: u64, translation: Translation) {
        let Translation { physical, rights, size_shift } = translation;
        let denied = self.denied(rights, physical);
        self.tlb.fill(linear, physical, rights, size_shift, denied);
    }

    /// The denied bits of a translation under the current control registers and watch marks.
    fn denied(&self, rights: Rights, physical: u64) -> Denied {
        denied(&self.control, &self.ram, rights, physical)
    }

    /// Drops all translations, or all but global ones, as a write to a control register does.
    pub(crate) fn flush_tlb(&mut self, global: bool) {
        if global {
            self.tlb.flush_all();
        } else {
            self.tlb.flush_non_global();
        }
        self.charge(Operation::TlbFlush);
    }

    /// Control bits that give rights their meaning have changed.
    pub(crate) fn derive_tlb(&mut self) {
        let Self { tlb, control, ram, .. } = self;
        tlb.derive(|rights, physical| denied(control, ram, rights, physical));
    }

    fn read_place<W: Word>(&mut self, place: Place) -> Result<W, Stop> {
        if place.split >= W::BYTES {
            return self.read_physical(place.first);
        }
        let mut value = 0;
        for byte in 0..W::BYTES {
            let part: u8 = self.read_physical(place.address(byte))?;
            value |= u64::from(part) << (8 * byte);
        }
        Ok(W::truncate(value))
    }

    fn write_place<W: Word>(&mut self, place: Place, value: W) -> Step {
        if place.split >= W::BYTES {
            return self.write_physical(place.first, value);
        }
        for byte in 0..W::BYTES {
            let part = (value.zero_extend() >> (8 * byte)) as u8;
            self.write_physical(place.address(byte), part)?;
        }
        Ok(())
    }

    /// Reads machine memory: RAM, or else a device.
    pub(crate) fn read_physical<W: Word>(&mut self, address: u64) -> Result<W, Stop> {
        if let Some(value) = self.ram.read(address) {
            return Ok(value);
        }
        let address = address & !OUTSIDE;
        let width = AccessWidth::of(W::BYTES).unwrap_or(AccessWidth::Byte);
        self.device.access(DeviceAccess::ReadMemory { address, width }).map(W::truncate)
    }

    /// Writes machine memory: RAM, or else a device.
    pub(crate) fn write_physical<W: Word>(&mut self, address: u64, value: W) -> Step {
        if self.ram.write(address, value) {
            self.note_write(address);
            return Ok(());
        }
        let address = address & !OUTSIDE;
        let width = AccessWidth::of(W::BYTES).unwrap_or(AccessWidth::Byte);
        let value = value.zero_extend();
        self.device.access(DeviceAccess::WriteMemory { address, width, value }).map(drop)
    }

    /// Does what a write to RAM calls for if its page is watched.
    pub(crate) fn note_write(&mut self, physical: u64) {
        if self.ram.watch(physical).contains(Watch::TRACED) {
            self.traced_writes.push(physical);
        }
        note_write(&mut self.ram, &mut self.written_code, physical);
        self.attention |= !self.written_code.is_empty();
    }

    /// Reads a system structure (descriptor table, TSS) at a linear address, as the CPU does by
    /// itself: with supervisor rights, whatever the ring.
    pub(crate) fn read_system<W: Word>(&mut self, linear: u64) -> Result<W, Stop> {
        let access = Access::system(AccessKind::Read);
        let place = self.place(self.system_address(linear), W::BYTES, access)?;
        self.read_place(place)
    }

    /// Writes a system structure at a linear address.
    pub(crate) fn write_system<W: Word>(&mut self, linear: u64, value: W) -> Step {
        let access = Access::system(AccessKind::Write);
        let place = self.place(self.system_address(linear), W::BYTES, access)?;
        self.write_place(place, value)
    }

    fn system_address(&self, linear: u64) -> u64 {
        if self.mode().is_long() { linear } else { linear & 0xffff_ffff }
    }

    /// Translates an instruction fetch.
    pub(crate) fn translate_fetch(&mut self, linear: u64) -> Result<u64, Stop> {
        let access = Access { kind: AccessKind::Fetch, user: self.cpl == 3, smap_override: false };
        if let Some(entry) = self.tlb.find(linear)
            && paging::allowed(&self.control, entry.rights, access)
        {
            return Ok(entry.physical(linear));
        }
        self.walk_and_fill(linear, access)
    }

    /// The physical address that the current page tables give a linear one, for tools: changes
    /// nothing. `visit` sees each entry of the walk.
    pub fn look_up(
        &self,
        linear: u64,
        visit: &mut dyn FnMut(paging::WalkedEntry),
    ) -> Option<Translation> {
        self.look_up_in(&self.ram, linear, visit)
    }

    /// The same, with the tables in a RAM that this CPU has lent or borrows.
    pub fn look_up_in(
        &self,
        ram: &Ram,
        linear: u64,
        visit: &mut dyn FnMut(paging::WalkedEntry),
    ) -> Option<Translation> {
        if !paging::is_canonical(linear) {
            return None;
        }
        let access = Access { smap_override: true, ..Access::system(AccessKind::Read) };
        let mut tables = ReadOnlyTables { ram, frames: &self.frames };
        let mut translation =
            paging::walk(&self.control, &mut tables, linear, access, visit).ok()?;
        translation.physical = self.frames.machine_address(translation.physical);
        Some(translation)
    }

    /// Translates a linear address for whoever runs the CPU: rights are checked, and accessed and
    /// dirty bits set, as for this access, but it takes no time and leaves the TLB alone.
    ///
    /// # Errors
    /// The error code of the page fault that the access would raise.
    pub fn translate_from_outside(&mut self, linear: u64, access: Access) -> Result<u64, u16> {
        let Self { control, ram, frames, written_code, .. } = self;
        let mut tables = Tables { ram, frames, written_code, references: 0 };
        let translation = paging::walk(control, &mut tables, linear, access, &mut |_| {})?;
        Ok(translation.physical)
    }

    /// Drops all translations but global ones, for whoever runs the CPU.
    pub fn drop_non_global_translations(&mut self) {
        self.tlb.flush_non_global();
    }

    /// Reads memory at a linear address for tools. Changes nothing; stops at the first byte that
    /// is not mapped to RAM. Returns the bytes read.
    pub fn peek(&self, linear: u64, length: usize) -> Vec<u8> {
        self.peek_in(&self.ram, linear, length)
    }

    /// The same, in a RAM that this CPU has lent or borrows.
    pub fn peek_in(&self, ram: &Ram, linear: u64, length: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < length {
            let address = linear.wrapping_add(bytes.len() as u64);
            let Some(translation) = self.look_up_in(ram, address, &mut |_| {}) else { break };
            let in_page = PAGE_SIZE - (address & (PAGE_SIZE - 1));
            let wanted = in_page.min((length - bytes.len()) as u64);
            let Some(part) = ram.slice(translation.physical, wanted) else { break };
            bytes.extend_from_slice(part);
        }
        bytes
    }
}

/// Page tables that nobody changes: accessed and dirty bits stay as they are.
struct ReadOnlyTables<'a> {
    ram: &'a Ram,
    frames: &'a FrameMap,
}

impl EntryMemory for ReadOnlyTables<'_> {
    fn read(&mut self, address: u64, bytes: u64) -> u64 {
        let address = self.frames.machine_address(address);
        let value = if bytes == 4 {
            self.ram.read::<u32>(address).map(u64::from)
        } else {
            self.ram.read::<u64>(address)
        };
        value.unwrap_or(u64::MAX)
    }

    fn write(&mut self, _: u64, _: u64, _: u64) {}
}

fn denied(
    control: &crate::state::control::Control,
    ram: &Ram,
    rights: Rights,
    physical: u64,
) -> Denied {
    let watch = ram.watch(physical);
    if watch.contains(Watch::DEVICE) {
        return Denied::all();
    }
    let mut denied = Denied::empty();
    let mut check = |bit, kind, user, smap_override| {
        let access = Access { kind, user, smap_override };
        denied.set(bit, !paging::allowed(control, rights, access));
    };
    check(Denied::SUPERVISOR_READ, AccessKind::Read, false, false);
    check(Denied::SUPERVISOR_WRITE, AccessKind::Write, false, false);
    check(Denied::OVERRIDE_READ, AccessKind::Read, false, true);
    check(Denied::OVERRIDE_WRITE, AccessKind::Write, false, true);
    check(Denied::USER_READ, AccessKind::Read, true, false);
    check(Denied::USER_WRITE, AccessKind::Write, true, false);
    check(Denied::SUPERVISOR_FETCH, AccessKind::Fetch, false, false);
    check(Denied::USER_FETCH, AccessKind::Fetch, true, false);
    if watch.intersects(Watch::CODE | Watch::CLEAN | Watch::TRACED) {
        denied |= Denied::WRITES;
    }
    denied
}

impl Place {
    fn address(&self, byte: u64) -> u64 {
        if byte < self.split { self.first + byte } else { self.second + (byte - self.split) }
    }
}
