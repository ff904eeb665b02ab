//! Segment registers with their hidden parts, descriptors, and the table registers.

use crate::word::Word;

/// A segment register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum SegmentName {
    /// Extra.
    Es = 0,
    /// Code.
    Cs = 1,
    /// Stack.
    Ss = 2,
    /// Data.
    Ds = 3,
    /// F.
    Fs = 4,
    /// G.
    Gs = 5,
}

impl SegmentName {
    /// All six, in the order of their numbers.
    pub const ALL: [Self; 6] = [Self::Es, Self::Cs, Self::Ss, Self::Ds, Self::Fs, Self::Gs];
}

/// A selector: table index, table, and requested privilege level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Selector(pub u16);

impl Selector {
    /// Requested privilege level, 0 to 3.
    pub const fn rpl(self) -> u8 {
        self.0 as u8 & 3
    }

    /// Whether it names a descriptor of the local table.
    pub const fn is_local(self) -> bool {
        self.0 & 4 != 0
    }

    /// Offset of the descriptor in its table, in bytes.
    pub const fn offset(self) -> u64 {
        (self.0 & !7) as u64
    }

    /// A null selector: index 0 of the global table, any privilege level.
    pub const fn is_null(self) -> bool {
        self.0 & !3 == 0
    }

    /// The same descriptor with another requested privilege level.
    pub const fn with_rpl(self, rpl: u8) -> Self {
        Self(self.0 & !3 | rpl as u16)
    }

    /// The selector as an exception's error code: without the privilege level.
    pub const fn error_code(self) -> u16 {
        self.0 & !3
    }
}

/// The attribute bits of a descriptor, as bits 8–23 of its upper doubleword:
///
/// ```text
///  15 14  13 12 11……8  7  6 5  4  3……0
///  G  D/B L  AVL  –    P  DPL  S  type
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes(pub u16);

impl Attributes {
    /// Accessed (code and data).
    pub const ACCESSED: u16 = 1;
    /// Present, DPL 0, data, writable, accessed.
    pub const DATA: Self = Self(0x93);
    /// Present, DPL 0, code, readable, accessed.
    pub const CODE: Self = Self(0x9b);

    /// The four type bits.
    pub const fn kind(self) -> u8 {
        self.0 as u8 & 15
    }
    /// Code or data, as opposed to a system descriptor.
    pub const fn is_code_or_data(self) -> bool {
        self.0 & 0x10 != 0
    }
    /// A code segment.
    pub const fn is_code(self) -> bool {
        self.0 & 0x18 == 0x18
    }
    /// A data segment.
    pub const fn is_data(self) -> bool {
        self.0 & 0x18 == 0x10
    }
    /// A conforming code segment.
    pub const fn is_conforming(self) -> bool {
        self.0 & 0x1c == 0x1c
    }
    /// A data segment that may be written.
    pub const fn is_writable(self) -> bool {
        self.0 & 0x1a == 0x12
    }
    /// A segment that may be read.
    pub const fn is_readable(self) -> bool {
        self.is_data() || self.0 & 0x1a == 0x1a
    }
    /// A data segment whose valid offsets lie above the limit.
    pub const fn is_expand_down(self) -> bool {
        self.0 & 0x1c == 0x14
    }
    /// Descriptor privilege level.
    pub const fn dpl(self) -> u8 {
        (self.0 >> 5) as u8 & 3
    }
    /// Present.
    pub const fn is_present(self) -> bool {
        self.0 & 0x80 != 0
    }
    /// 64-bit code.
    pub const fn is_long(self) -> bool {
        self.0 & 0x2000 != 0
    }
    /// The D or B bit: 32-bit by default.
    pub const fn is_big(self) -> bool {
        self.0 & 0x4000 != 0
    }
    /// The limit counts pages.
    pub const fn is_granular(self) -> bool {
        self.0 & 0x8000 != 0
    }
    /// The same without the bit that says 64-bit code, which means nothing outside long mode.
    pub const fn without_long(self) -> Self {
        Self(self.0 & !0x2000)
    }

    /// The same with another DPL.
    pub const fn with_dpl(self, dpl: u8) -> Self {
        Self(self.0 & !0x60 | (dpl as u16) << 5)
    }
}

/// Types of system descriptors (Intel SDM vol. 3, "System-Segment and Gate-Descriptor Types").
pub mod system_type {
    /// 16-bit TSS, available.
    pub const TSS16: u8 = 1;
    /// Local descriptor table.
    pub const LDT: u8 = 2;
    /// 16-bit TSS, busy.
    pub const TSS16_BUSY: u8 = 3;
    /// 16-bit call gate.
    pub const CALL_GATE16: u8 = 4;
    /// Task gate.
    pub const TASK_GATE: u8 = 5;
    /// 16-bit interrupt gate.
    pub const INTERRUPT_GATE16: u8 = 6;
    /// 16-bit trap gate.
    pub const TRAP_GATE16: u8 = 7;
    /// TSS, available: 32-bit, or 64-bit in long mode.
    pub const TSS: u8 = 9;
    /// TSS, busy.
    pub const TSS_BUSY: u8 = 11;
    /// Call gate.
    pub const CALL_GATE: u8 = 12;
    /// Interrupt gate.
    pub const INTERRUPT_GATE: u8 = 14;
    /// Trap gate.
    pub const TRAP_GATE: u8 = 15;
}

/// A segment or system descriptor as read from a table: 8 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptor(pub u64);

impl Descriptor {
    /// The base, 32 bits of it.
    pub const fn base(self) -> u64 {
        self.0 >> 16 & 0xff_ffff | self.0 >> 32 & 0xff00_0000
    }

    /// The last valid offset, with granularity applied.
    pub const fn limit(self) -> u32 {
        let raw = (self.0 & 0xffff | self.0 >> 32 & 0xf_0000) as u32;
        if self.attributes().is_granular() { raw << 12 | 0xfff } else { raw }
    }

    /// The attribute bits.
    pub const fn attributes(self) -> Attributes {
        Attributes((self.0 >> 40) as u16 & 0xf0ff)
    }

    /// Of a gate: the selector.
    pub const fn gate_selector(self) -> Selector {
        Selector((self.0 >> 16) as u16)
    }

    /// Of a gate: the low 32 bits of the offset.
    pub const fn gate_offset(self) -> u64 {
        self.0 & 0xffff | self.0 >> 32 & 0xffff_0000
    }

    /// The hidden part of a segment register loaded with this descriptor.
    pub fn segment(self, selector: Selector) -> Segment {
        Segment::new(selector, self.base(), self.limit(), self.attributes())
    }
}

/// Offsets that an access may use: both ends included; empty if `low > high`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Offsets {
    low: u32,
    high: u32,
}

impl Offsets {
    const NONE: Self = Self { low: 1, high: 0 };

    #[inline(always)]
    fn allow<W: Word>(self, offset: u64) -> bool {
        offset >= u64::from(self.low) && offset + (W::BYTES - 1) <= u64::from(self.high)
    }

    fn allow_range(self, offset: u64, length: u64) -> bool {
        offset >= u64::from(self.low) && offset.saturating_add(length - 1) <= u64::from(self.high)
    }
}

/// A segment register with its hidden part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// What software loaded.
    pub selector: Selector,
    /// Linear address of offset 0.
    pub base: u64,
    /// The last valid offset, in bytes (for expand-down: the last invalid one).
    pub limit: u32,
    /// Type and attributes.
    pub attributes: Attributes,
    readable: Offsets,
    writable: Offsets,
}

impl Segment {
    /// A segment from its parts.
    pub fn new(selector: Selector, base: u64, limit: u32, attributes: Attributes) -> Self {
        let offsets = if !attributes.is_present() || !attributes.is_code_or_data() {
            Offsets::NONE
        } else if attributes.is_expand_down() {
            let high = if attributes.is_big() { u32::MAX } else { 0xffff };
            match limit.checked_add(1) {
                Some(low) => Offsets { low, high },
                None => Offsets::NONE,
            }
        } else {
            Offsets { low: 0, high: limit }
        };
        let when = |allowed| if allowed { offsets } else { Offsets::NONE };
        Self {
            selector,
            base,
            limit,
            attributes,
            readable: when(attributes.is_readable()),
            writable: when(attributes.is_writable()),
        }
    }

    /// A segment register after a null selector was loaded: every legacy access faults.
    pub fn null(selector: Selector) -> Self {
        Self::new(selector, 0, 0, Attributes(0))
    }

    /// A segment as real mode and virtual-8086 mode load it.
    pub fn real_mode(selector: Selector, limit: u32, attributes: Attributes) -> Self {
        Self::new(selector, u64::from(selector.0) << 4, limit, attributes)
    }

    /// The same with another base, as WRMSR writes FS and GS.
    pub fn with_base(self, base: u64) -> Self {
        Self { base, ..self }
    }

    /// The same with another privilege level in its selector, as far transfers load CS.
    pub fn with_rpl(self, rpl: u8) -> Self {
        Self { selector: self.selector.with_rpl(rpl), ..self }
    }

    /// Whether a register holds a loaded descriptor.
    pub fn is_usable(&self) -> bool {
        self.attributes.is_present()
    }

    /// Whether a legacy read of a `W` at `offset` is inside the segment and allowed.
    #[inline(always)]
    pub fn allows_read<W: Word>(&self, offset: u64) -> bool {
        self.readable.allow::<W>(offset)
    }

    /// Whether a legacy write of a `W` at `offset` is inside the segment and allowed.
    #[inline(always)]
    pub fn allows_write<W: Word>(&self, offset: u64) -> bool {
        self.writable.allow::<W>(offset)
    }

    /// As the other two, for any length but 0.
    pub fn allows_range(&self, offset: u64, length: u64, write: bool) -> bool {
        let offsets = if write { self.writable } else { self.readable };
        offsets.allow_range(offset, length)
    }
}

/// GDTR or IDTR.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableRegister {
    /// Linear address of the table.
    pub base: u64,
    /// Offset of its last byte.
    pub limit: u16,
}

/// All segment and table registers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segments {
    registers: [Segment; 8],
    /// Local descriptor table.
    pub ldtr: Segment,
    /// Task register.
    pub tr: Segment,
    /// Global descriptor table.
    pub gdtr: TableRegister,
    /// Interrupt descriptor table.
    pub idtr: TableRegister,
}

impl Default for Segments {
    /// The state after reset: real mode, CS base 0xffff0000.
    fn default() -> Self {
        let data = Segment::real_mode(Selector(0), 0xffff, Attributes::DATA);
        let code = Segment::new(Selector(0xf000), 0xffff_0000, 0xffff, Attributes::DATA);
        let mut registers = [data; 8];
        registers[SegmentName::Cs as usize] = code;
        let table = TableRegister { base: 0, limit: 0xffff };
        Self {
            registers,
            ldtr: Segment::new(Selector(0), 0, 0xffff, Attributes(0x82)),
            tr: Segment::new(Selector(0), 0, 0xffff, Attributes(0x8b)),
            gdtr: table,
            idtr: table,
        }
    }
}

impl Segments {
    /// A segment register.
    #[inline(always)]
    pub fn get(&self, name: SegmentName) -> &Segment {
        &self.registers[name as usize & 7]
    }

    /// Loads a segment register with its hidden part.
    pub fn set(&mut self, name: SegmentName, segment: Segment) {
        self.registers[name as usize & 7] = segment;
    }
}
