//! The way through the shadow tables to one page, as the guest's format and rights make it.

use paravane_cpu::PAGE_SHIFT;
use paravane_cpu::Rights;
use paravane_cpu::paging::{self, PageEntry, Translation, WalkedEntry};
use paravane_cpu::state::control::Control;

use super::table::{Key, Source};
use super::{Role, entry_bits, is_dirty};

/// The paging format of a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// Paging off.
    None,
    /// 32-bit entries, two levels.
    TwoLevel,
    /// 64-bit entries, three levels.
    Pae,
    /// Four levels.
    FourLevel,
}

impl Format {
    /// The format that the guest's control registers select.
    pub fn of(control: &Control) -> Self {
        match paging::Format::of(control) {
            paging::Format::None => Self::None,
            paging::Format::TwoLevel => Self::TwoLevel,
            paging::Format::Pae => Self::Pae,
            paging::Format::FourLevel => Self::FourLevel,
        }
    }
}

/// One entry on the way: in which table, where, and with which rights.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    pub key: Key,
    pub index: u16,
    pub rights: u64,
}

/// The entries from the root to a page.
#[derive(Clone, Copy, Debug)]
pub struct Path {
    /// The entries at levels 4, 3 and 2.
    pub steps: [Step; 3],
    /// The entry at level 1.
    pub leaf: Step,
}

fn index(linear: u64, level: u8) -> u16 {
    (linear >> (PAGE_SHIFT + 9 * (u32::from(level) - 1)) & 511) as u16
}

impl Path {
    /// The root table of an address space.
    pub fn root(control: &Control, role: Role) -> Key {
        let source = match Format::of(control) {
            Format::FourLevel => {
                let frame = control.cr3 >> PAGE_SHIFT & 0xff_ffff_ffff;
                Source::Table { frame, format: Format::FourLevel, part: 0 }
            }
            format => upper(control, format),
        };
        Key { source, level: 4, role, user_above: true }
    }

    /// The table whose entries are made from the page-directory-pointer entries (PAE).
    pub fn pointer_table(control: &Control, role: Role) -> Key {
        Key { source: upper(control, Format::Pae), level: 3, role, user_above: true }
    }

    /// The tables on the way, from level 4 to level 1.
    pub fn keys(&self) -> [Key; 4] {
        let [four, three, two] = self.steps;
        [four.key, three.key, two.key, self.leaf.key]
    }

    /// The way to `linear`, whose translation the guest's tables gave by these entries.
    pub fn new(
        control: &Control,
        role: Role,
        linear: u64,
        translation: Translation,
        walked: &[WalkedEntry],
    ) -> Self {
        let format = Format::of(control);
        let mut builder = Builder { format, role, linear, translation, walked, user: true };
        let steps = [4, 3, 2].map(|level| builder.step(control, level));
        let mut leaf = builder.step(control, 1);
        if builder.guest_entry(1).is_some() && !is_dirty(&translation) {
            leaf.rights &= !PageEntry::WRITE.bits();
        }
        if role.no_user_execution && translation.rights.contains(Rights::USER) {
            leaf.rights |= PageEntry::NO_EXECUTE.bits();
        }
        Self { steps, leaf }
    }
}

fn upper(control: &Control, format: Format) -> Source {
    let cr3 = match format {
        Format::None => 0,
        Format::Pae => control.cr3 & 0xffff_ffe0,
        _ => control.cr3 & 0xffff_f000,
    };
    Source::Root { cr3, format }
}

struct Builder<'a> {
    format: Format,
    role: Role,
    linear: u64,
    translation: Translation,
    walked: &'a [WalkedEntry],
    /// All levels so far are open to the guest's programs.
    user: bool,
}

impl Builder<'_> {
    /// The entry of the guest's tables that governs a shadow level, if there is one.
    fn guest_entry(&self, level: u8) -> Option<WalkedEntry> {
        self.walked.iter().find(|entry| entry.level == level).copied()
    }

    /// The shadow entry at `level`.
    fn step(&mut self, control: &Control, level: u8) -> Step {
        let separate_users = self.role.no_user_execution || self.role.no_user_access;
        let entry = self.guest_entry(level);
        let source = match (self.format, entry) {
            (Format::None, _) => match level {
                3 | 4 => upper(control, Format::None),
                _ => self.direct(level),
            },
            (Format::TwoLevel | Format::Pae, _) if level >= 3 => upper(control, self.format),
            (Format::TwoLevel, Some(entry)) => {
                let part = if level == 2 { self.linear >> 30 } else { self.linear >> 21 & 1 };
                table(entry, Format::TwoLevel, part as u8)
            }
            (format, Some(entry)) => table(entry, format, 0),
            (_, None) => self.direct(level),
        };
        let key = Key { source, level, role: self.role, user_above: self.user || !separate_users };
        let rights = match entry {
            Some(entry) => self.entry_rights(entry),
            None => entry_bits(true, true, true),
        };
        Step { key, index: index(self.linear, level), rights }
    }

    /// A piece of guest-physical memory that one table of `level` covers.
    fn direct(&self, level: u8) -> Source {
        let pages = 1_u64 << (9 * u32::from(level));
        let frame = self.translation.physical >> PAGE_SHIFT;
        Source::Direct { frame: frame & !(pages - 1) }
    }

    /// The rights that the guest's entry gives at its own level.
    fn entry_rights(&mut self, entry: WalkedEntry) -> u64 {
        let bits = PageEntry::from_bits_retain(entry.value);
        let user = bits.contains(PageEntry::USER);
        self.user &= user;
        let is_leaf = u32::from(self.translation.size_shift) == shift_of(self.format, entry.level);
        let mut write = bits.contains(PageEntry::WRITE) || !self.role.write_protect;
        // A clean large page stays read-only above the tables that it is split into.
        if is_leaf && entry.level > 1 {
            write &= is_dirty(&self.translation);
        }
        let execute = self.format == Format::TwoLevel || !bits.contains(PageEntry::NO_EXECUTE);
        entry_bits(write, !self.role.user || user, execute)
    }
}

/// log2 of the bytes that an entry of the guest's format maps.
fn shift_of(format: Format, level: u8) -> u32 {
    let bits = if format == Format::TwoLevel { 10 } else { 9 };
    PAGE_SHIFT + bits * (u32::from(level) - 1)
}

fn table(entry: WalkedEntry, format: Format, part: u8) -> Source {
    Source::Table { frame: entry.address >> PAGE_SHIFT, format, part }
}
