//! Direct paging: references to frames and their types, and the check of whole tables.
//!
//! ```text
//!   get_type ─► count 0?  ─► other type: may change ─► check all 512 entries ─► each takes a
//!               count > 0 ─► must be the same type                            reference, and a
//!                                                                             type, of its frame
//! ```
//!
//! Source: `get_page_type`, `validate_page`, `get_page_from_l1e` and their kin in
//! `xen/arch/x86/mm.c`. Recursion is at most four deep: one level of tables each.

use paravane_core::accounting::Primitive;
use paravane_core::hypervisor::Owner;
use paravane_core::hypervisor::paravirt::Services;

use super::Xen;
use super::errors::Errno;
use super::frame_types::FrameType;
use super::layout::{LAST_MACHINE_TO_PHYSICAL, XEN_SLOTS};

/// Bits of a page-table entry.
pub mod entry {
    /// Present.
    pub const PRESENT: u64 = 1 << 0;
    /// Writable.
    pub const WRITE: u64 = 1 << 1;
    /// Reachable from ring 3.
    pub const USER: u64 = 1 << 2;
    /// Accessed.
    pub const ACCESSED: u64 = 1 << 5;
    /// Dirty.
    pub const DIRTY: u64 = 1 << 6;
    /// Global.
    pub const GLOBAL: u64 = 1 << 8;
    /// `_PAGE_GUEST_KERNEL`: the guest meant it for its kernel only.
    pub const GUEST_KERNEL: u64 = 1 << 52;
    /// No execute.
    pub const NO_EXECUTE: u64 = 1 << 63;
    /// Bits that software may use.
    pub const AVAILABLE: u64 = 7 << 9 | 0x7ff << 52;
    /// The machine address.
    pub const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

    /// Flags that no entry may have: write-through, cache disable, large pages, global.
    pub const DISALLOWED: u64 =
        !(ADDRESS | PRESENT | WRITE | USER | ACCESSED | DIRTY | AVAILABLE) & !NO_EXECUTE;

    /// The machine frame of an entry.
    pub const fn frame(value: u64) -> u64 {
        (value & ADDRESS) >> 12
    }
}

/// The last frame number that an entry can hold: Xen's name for no frame.
const NO_FRAME: u64 = entry::ADDRESS >> 12;

/// What the guest's entry becomes in its table: in ring 3, its kernel needs the user bit, too.
pub fn adjusted(level: u8, value: u64) -> u64 {
    if value & entry::PRESENT == 0 {
        return value;
    }
    let mut value = value;
    if level == 1 {
        if value & entry::USER == 0 {
            value |= entry::GUEST_KERNEL;
        }
        if value & entry::GUEST_KERNEL == 0 {
            value |= entry::GLOBAL;
        }
    }
    value | entry::USER
}

impl Xen {
    /// Takes a reference to a frame, which must be the guest's (`get_page_from_mfn`).
    pub(super) fn get_frame(&mut self, frame: u64) -> Result<(), Errno> {
        let info = self.frames.guest(frame).ok_or(Errno::Invalid)?;
        info.references = info.references.checked_add(1).ok_or(Errno::Invalid)?;
        Ok(())
    }

    /// Gives a reference back; the last one frees the frame (`put_page`).
    pub(super) fn put_frame(&mut self, services: &mut dyn Services, frame: u64) {
        let Some(info) = self.frames.guest(frame) else { return };
        info.references = info.references.saturating_sub(1);
        if info.references == 0 {
            self.frames.take(frame);
            self.flush(services);
            if services.owner(frame) == Some(Owner::Guest) {
                services.release(frame);
            }
        }
    }

    /// Takes a reference to a frame and to a type (`get_page_and_type_from_mfn`).
    pub(super) fn get_frame_as(
        &mut self,
        services: &mut dyn Services,
        frame: u64,
        kind: FrameType,
    ) -> Result<(), Errno> {
        self.get_frame(frame)?;
        self.get_type(services, frame, kind).inspect_err(|_| self.put_frame(services, frame))
    }

    /// Gives both back.
    pub(super) fn put_frame_and_type(&mut self, services: &mut dyn Services, frame: u64) {
        self.put_type(services, frame);
        self.put_frame(services, frame);
    }

    /// Uses a frame as `kind` once more. The first use as a table checks all of it.
    pub(super) fn get_type(
        &mut self,
        services: &mut dyn Services,
        frame: u64,
        kind: FrameType,
    ) -> Result<(), Errno> {
        let flushes = self.frames.flushes;
        let info = self.frames.guest(frame).ok_or(Errno::Invalid)?;
        if info.type_count > 0 {
            if info.kind != kind || !info.validated {
                return Err(Errno::Invalid);
            }
            info.type_count = info.type_count.checked_add(1).ok_or(Errno::Invalid)?;
            return Ok(());
        }
        let stale = info.kind == FrameType::Writable
            && kind != FrameType::Writable
            && info.writable_until == flushes;
        if info.kind != kind {
            info.validated = false;
        }
        info.kind = kind;
        info.type_count = 1;
        services.charge(Primitive::FrameTyped, 1);
        if stale {
            // A mapping that is gone from the tables may still be in the TLB.
            self.flush(services);
        }
        let checked = match kind {
            FrameType::Table(level) => self.validate_table(services, frame, level),
            FrameType::Descriptors => self.validate_descriptors(services, frame),
            FrameType::Writable | FrameType::None => Ok(()),
        };
        let Some(info) = self.frames.guest(frame) else { return Err(Errno::Invalid) };
        match checked {
            Ok(()) => info.validated = true,
            Err(_) => {
                info.kind = FrameType::None;
                info.type_count = 0;
                info.validated = false;
            }
        }
        checked
    }

    /// Uses a frame once less as what it is. The last use of a table gives up what it refers to.
    pub(super) fn put_type(&mut self, services: &mut dyn Services, frame: u64) {
        let flushes = self.frames.flushes;
        let Some(info) = self.frames.guest(frame) else { return };
        info.type_count = info.type_count.saturating_sub(1);
        if info.type_count > 0 {
            return;
        }
        match info.kind {
            FrameType::Writable => info.writable_until = flushes,
            FrameType::Table(level) => {
                info.validated = false;
                services.charge(Primitive::FrameTyped, 1);
                self.put_table(services, frame, level);
            }
            FrameType::Descriptors | FrameType::None => info.validated = false,
        }
    }

    /// Drops all translations, which makes it safe to forget who once could write what.
    pub(super) fn flush(&mut self, services: &mut dyn Services) {
        self.frames.flushes += 1;
        services.drop_translations();
    }

    /// Checks all entries of a table. On an error nothing has changed.
    fn validate_table(
        &mut self,
        services: &mut dyn Services,
        frame: u64,
        level: u8,
    ) -> Result<(), Errno> {
        services.charge(Primitive::EntryValidated, 512);
        for index in 0..512 {
            if level == 4 && XEN_SLOTS.contains(&index) {
                continue;
            }
            let value = services.read_word(frame, index);
            if value & entry::PRESENT == 0 {
                continue;
            }
            if let Err(error) = self.get_entry(services, level, value, frame) {
                for index in 0..index {
                    if level < 4 || !XEN_SLOTS.contains(&index) {
                        let value = services.read_word(frame, index);
                        self.put_entry(services, level, value, frame);
                    }
                }
                return Err(error);
            }
            let new = adjusted(level, value);
            if new != value {
                services.write_word(frame, index, new);
            }
        }
        if level == 4 {
            self.own.fill_root(services, frame);
        }
        Ok(())
    }

    /// Gives up what a table refers to.
    fn put_table(&mut self, services: &mut dyn Services, frame: u64, level: u8) {
        services.charge(Primitive::EntryValidated, 512);
        for index in 0..512 {
            if level == 4 && XEN_SLOTS.contains(&index) {
                continue;
            }
            let value = services.read_word(frame, index);
            if value & entry::PRESENT != 0 {
                self.put_entry(services, level, value, frame);
            }
        }
    }

    /// Takes what an entry of a table at `level` refers to.
    pub(super) fn get_entry(
        &mut self,
        services: &mut dyn Services,
        level: u8,
        value: u64,
        table: u64,
    ) -> Result<(), Errno> {
        if value & entry::PRESENT == 0 {
            return Ok(());
        }
        let allowed = if level == 1 { entry::GLOBAL } else { 0 };
        if value & entry::DISALLOWED & !allowed != 0 {
            return Err(Errno::Invalid);
        }
        let frame = entry::frame(value);
        if level == 1 {
            return self.get_leaf(services, frame, value & entry::WRITE != 0);
        }
        match self.get_frame_as(services, frame, FrameType::Table(level - 1)) {
            Err(Errno::Invalid) if self.get_linear(level, value, table) => Ok(()),
            other => other,
        }
    }

    /// A page mapped by a level 1 entry.
    fn get_leaf(
        &mut self,
        services: &mut dyn Services,
        frame: u64,
        writable: bool,
    ) -> Result<(), Errno> {
        if frame >= services.frame_count() {
            // Not RAM: a device's registers, which this domain may not touch.
            let nothing = frame == NO_FRAME;
            return Err(if nothing { Errno::Invalid } else { Errno::NotPermitted });
        }
        self.get_frame(frame).map_err(|_| Errno::Busy)?;
        if writable {
            self.get_type(services, frame, FrameType::Writable).map_err(|_| {
                self.put_frame(services, frame);
                Errno::Busy
            })?;
        }
        Ok(())
    }

    /// A *linear* entry refers to a table of its own level, so that the tables appear in the
    /// address space as one array. It must be read-only; into another table it is allowed if
    /// that is checked already, and such references do not form chains.
    fn get_linear(&mut self, level: u8, value: u64, table: u64) -> bool {
        if value & entry::WRITE != 0 {
            return false;
        }
        let target = entry::frame(value);
        if target == table {
            return true;
        }
        let kind = FrameType::Table(level);
        let (user, used) = (self.frames.get(table), self.frames.get(target));
        let usable = used.owned && used.kind == kind && used.validated && used.type_count > 0;
        if !user.owned || !usable || user.linear < 0 || used.linear > 0 {
            return false;
        }
        if let Some(info) = self.frames.guest(target) {
            info.references += 1;
            info.type_count += 1;
            info.linear -= 1;
        }
        if let Some(info) = self.frames.guest(table) {
            info.linear += 1;
        }
        true
    }

    /// Gives up what an entry of a table at `level` refers to.
    pub(super) fn put_entry(
        &mut self,
        services: &mut dyn Services,
        level: u8,
        value: u64,
        table: u64,
    ) {
        if value & entry::PRESENT == 0 {
            return;
        }
        let frame = entry::frame(value);
        if level == 1 {
            if value & entry::WRITE != 0 {
                self.put_type(services, frame);
            }
            self.put_frame(services, frame);
            return;
        }
        if frame == table {
            return;
        }
        if self.frames.get(frame).kind == FrameType::Table(level) {
            if let Some(info) = self.frames.guest(frame) {
                info.linear += 1;
            }
            if let Some(info) = self.frames.guest(table) {
                info.linear -= 1;
            }
        }
        self.put_frame_and_type(services, frame);
    }

    /// Notes which pseudo-physical frame a machine frame is.
    pub(super) fn set_machine_to_physical(
        &mut self,
        services: &mut dyn Services,
        frame: u64,
        physical: u64,
    ) {
        if frame <= LAST_MACHINE_TO_PHYSICAL
            && let Some(page) = self.own.machine_to_physical.get((frame >> 9) as usize)
        {
            services.write_word(*page, frame as usize & 511, physical);
        }
    }
}
