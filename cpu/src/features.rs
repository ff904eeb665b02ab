//! What this CPU can do, as CPUID shows it.
//!
//! The feature bits are one table, [`FEATURES`], which tools print and from which the leaves are
//! put together: a bit is set exactly if the execution core has the feature.

use crate::memory::paging::{LINEAR_ADDRESS_BITS, PHYSICAL_ADDRESS_BITS};
use crate::state::control::{Cr4, Efer};

/// The registers in which CPUID shows feature bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Register {
    /// EBX.
    Ebx,
    /// ECX.
    Ecx,
    /// EDX.
    Edx,
}

/// One feature bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feature {
    /// The manual's name.
    pub name: &'static str,
    /// The leaf (subleaf 0) that shows it.
    pub leaf: u32,
    /// The register of that leaf.
    pub register: Register,
    /// The bit in that register.
    pub bit: u8,
    /// Whether this CPU has it.
    pub present: bool,
}

/// What CPUID answers for one leaf and subleaf.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leaf {
    /// EAX.
    pub eax: u32,
    /// EBX.
    pub ebx: u32,
    /// ECX.
    pub ecx: u32,
    /// EDX.
    pub edx: u32,
}

/// The highest basic leaf.
pub const MAX_BASIC_LEAF: u32 = 0x16;
/// The highest extended leaf.
pub const MAX_EXTENDED_LEAF: u32 = 0x8000_0008;

/// What the CPU is called in leaves 0x80000002 to 0x80000004.
const BRAND: &[u8] = b"Paravane x86-64 CPU";
const VENDOR: &[u8; 12] = b"GenuineIntel";
/// Family 6, model 60, stepping 3.
const SIGNATURE: u32 = 0x0003_06c3;
/// Bytes that CLFLUSH names, in units of 8.
const CLFLUSH_UNITS: u32 = 8;
/// The frequency of the crystal that leaf 0x15 relates the time-stamp counter to.
const CRYSTAL_HZ: u64 = 25_000_000;

/// What CPUID shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Features {
    /// The frequency of the time-stamp counter: cycles in one second of guest time.
    pub tsc_hz: u64,
}

impl Default for Features {
    fn default() -> Self {
        Self { tsc_hz: 1_000_000_000 }
    }
}

impl Features {
    /// Family, model and stepping: EAX of leaf 1, and EDX after reset.
    pub const fn signature(&self) -> u32 {
        SIGNATURE
    }

    /// The bits of CR4 that may be set: MOV to CR4 with another one raises #GP.
    pub const fn cr4_mask(&self) -> Cr4 {
        Cr4::all().difference(Cr4::MCE)
    }

    /// The bits of EFER that may be written as one; LMA then keeps its value.
    pub const fn efer_mask(&self) -> Efer {
        Efer::all()
    }

    /// Whether the feature with this name is there.
    pub fn has(&self, name: &str) -> bool {
        FEATURES.iter().any(|feature| feature.name == name && feature.present)
    }

    /// What CPUID answers. `in_64_bit_mode` decides whether SYSCALL is shown.
    ///
    /// Leaves that don't exist answer as the highest basic leaf does, subleaves that don't exist
    /// answer zero (Intel SDM vol. 2, "CPUID—CPU Identification").
    pub fn leaf(&self, leaf: u32, subleaf: u32, in_64_bit_mode: bool) -> Leaf {
        let exists = leaf <= MAX_BASIC_LEAF || (0x8000_0000..=MAX_EXTENDED_LEAF).contains(&leaf);
        let leaf = if exists { leaf } else { MAX_BASIC_LEAF };
        if leaf == 7 && subleaf != 0 {
            return Leaf::default();
        }
        let mut answer = self.fields(leaf);
        for feature in FEATURES.iter().filter(|feature| feature.leaf == leaf && feature.present) {
            *answer.register_mut(feature.register) |= 1 << feature.bit;
        }
        if leaf == 0x8000_0001 && !in_64_bit_mode {
            answer.edx &= !SYSCALL;
        }
        answer
    }

    /// What a leaf shows beside feature bits. Leaves for which there is no arm say that what they
    /// describe is not there: caches (4), MONITOR (5), performance counters (0xa), XSAVE (0xd).
    fn fields(&self, leaf: u32) -> Leaf {
        match leaf {
            0 => {
                let [ebx, edx, ecx] = words(VENDOR);
                Leaf { eax: MAX_BASIC_LEAF, ebx, ecx, edx }
            }
            1 => Leaf { eax: SIGNATURE, ebx: CLFLUSH_UNITS << 8, ..Leaf::default() },
            // One call is enough to learn that there are no descriptors.
            2 => Leaf { eax: 1, ..Leaf::default() },
            0x15 => self.time_stamp_ratio(),
            0x16 => {
                let megahertz = u32::try_from(self.tsc_hz / 1_000_000).unwrap_or(0) & 0xffff;
                let bus = (CRYSTAL_HZ / 1_000_000) as u32;
                Leaf { eax: megahertz, ebx: megahertz, ecx: bus, edx: 0 }
            }
            0x8000_0000 => Leaf { eax: MAX_EXTENDED_LEAF, ..Leaf::default() },
            0x8000_0002..=0x8000_0004 => {
                let start = 16 * (leaf - 0x8000_0002) as usize;
                let [eax, ebx, ecx, edx] = words(BRAND.get(start..).unwrap_or_default());
                Leaf { eax, ebx, ecx, edx }
            }
            0x8000_0008 => {
                Leaf { eax: PHYSICAL_ADDRESS_BITS | LINEAR_ADDRESS_BITS << 8, ..Leaf::default() }
            }
            _ => Leaf::default(),
        }
    }

    /// Leaf 0x15: frequency = crystal (ECX) × numerator (EBX) / denominator (EAX), exactly.
    fn time_stamp_ratio(&self) -> Leaf {
        let divisor = greatest_common_divisor(self.tsc_hz, CRYSTAL_HZ);
        match u32::try_from(self.tsc_hz / divisor) {
            Ok(ebx) => {
                Leaf { eax: (CRYSTAL_HZ / divisor) as u32, ebx, ecx: CRYSTAL_HZ as u32, edx: 0 }
            }
            // Zero means: not enumerated.
            Err(_) => Leaf::default(),
        }
    }
}

impl Leaf {
    fn register_mut(&mut self, register: Register) -> &mut u32 {
        match register {
            Register::Ebx => &mut self.ebx,
            Register::Ecx => &mut self.ecx,
            Register::Edx => &mut self.edx,
        }
    }
}

/// The first bytes as little-endian words, filled up with zeros.
fn words<const N: usize>(bytes: &[u8]) -> [u32; N] {
    let byte = |index: usize| bytes.get(index).copied().unwrap_or(0);
    std::array::from_fn(|word| u32::from_le_bytes(std::array::from_fn(|n| byte(4 * word + n))))
}

/// Of two numbers of which the second is not zero.
fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    let (mut a, mut b) = (a, b);
    while a != 0 {
        (a, b) = (b % a, a);
    }
    b
}

/// EDX bit 11 of leaf 0x80000001, which Intel shows in 64-bit mode only.
const SYSCALL: u32 = 1 << 11;

const fn row(present: bool, leaf: u32, register: Register, bit: u8, name: &'static str) -> Feature {
    Feature { name, leaf, register, bit, present }
}

const HAS: bool = true;
const NOT: bool = false;

/// Every feature bit that this CPU or software for it may care about.
pub const FEATURES: &[Feature] = &[
    row(NOT, 1, Register::Edx, 0, "FPU"),
    row(NOT, 1, Register::Edx, 1, "VME"),
    row(HAS, 1, Register::Edx, 2, "DE"),
    row(HAS, 1, Register::Edx, 3, "PSE"),
    row(HAS, 1, Register::Edx, 4, "TSC"),
    row(HAS, 1, Register::Edx, 5, "MSR"),
    row(HAS, 1, Register::Edx, 6, "PAE"),
    row(NOT, 1, Register::Edx, 7, "MCE"),
    row(HAS, 1, Register::Edx, 8, "CX8"),
    row(NOT, 1, Register::Edx, 9, "APIC"),
    row(HAS, 1, Register::Edx, 11, "SEP"),
    row(NOT, 1, Register::Edx, 12, "MTRR"),
    row(HAS, 1, Register::Edx, 13, "PGE"),
    row(NOT, 1, Register::Edx, 14, "MCA"),
    row(HAS, 1, Register::Edx, 15, "CMOV"),
    row(HAS, 1, Register::Edx, 16, "PAT"),
    row(HAS, 1, Register::Edx, 17, "PSE-36"),
    row(HAS, 1, Register::Edx, 19, "CLFSH"),
    row(NOT, 1, Register::Edx, 21, "DS"),
    row(NOT, 1, Register::Edx, 23, "MMX"),
    row(NOT, 1, Register::Edx, 24, "FXSR"),
    row(NOT, 1, Register::Edx, 25, "SSE"),
    row(NOT, 1, Register::Edx, 26, "SSE2"),
    row(NOT, 1, Register::Edx, 28, "HTT"),
    row(NOT, 1, Register::Ecx, 0, "SSE3"),
    row(NOT, 1, Register::Ecx, 1, "PCLMULQDQ"),
    row(NOT, 1, Register::Ecx, 3, "MONITOR"),
    row(NOT, 1, Register::Ecx, 5, "VMX"),
    row(NOT, 1, Register::Ecx, 9, "SSSE3"),
    row(NOT, 1, Register::Ecx, 12, "FMA"),
    row(HAS, 1, Register::Ecx, 13, "CMPXCHG16B"),
    row(NOT, 1, Register::Ecx, 17, "PCID"),
    row(NOT, 1, Register::Ecx, 19, "SSE4.1"),
    row(NOT, 1, Register::Ecx, 20, "SSE4.2"),
    row(NOT, 1, Register::Ecx, 21, "x2APIC"),
    row(HAS, 1, Register::Ecx, 22, "MOVBE"),
    row(HAS, 1, Register::Ecx, 23, "POPCNT"),
    row(NOT, 1, Register::Ecx, 24, "TSC-Deadline"),
    row(NOT, 1, Register::Ecx, 25, "AESNI"),
    row(NOT, 1, Register::Ecx, 26, "XSAVE"),
    row(NOT, 1, Register::Ecx, 27, "OSXSAVE"),
    row(NOT, 1, Register::Ecx, 28, "AVX"),
    row(NOT, 1, Register::Ecx, 29, "F16C"),
    row(NOT, 1, Register::Ecx, 30, "RDRAND"),
    row(NOT, 1, Register::Ecx, 31, "HYPERVISOR"),
    row(HAS, 7, Register::Ebx, 0, "FSGSBASE"),
    row(HAS, 7, Register::Ebx, 1, "TSC_ADJUST"),
    row(HAS, 7, Register::Ebx, 3, "BMI1"),
    row(NOT, 7, Register::Ebx, 4, "HLE"),
    row(NOT, 7, Register::Ebx, 5, "AVX2"),
    row(HAS, 7, Register::Ebx, 7, "SMEP"),
    row(HAS, 7, Register::Ebx, 8, "BMI2"),
    row(HAS, 7, Register::Ebx, 9, "ERMS"),
    row(NOT, 7, Register::Ebx, 10, "INVPCID"),
    row(NOT, 7, Register::Ebx, 11, "RTM"),
    row(NOT, 7, Register::Ebx, 18, "RDSEED"),
    row(HAS, 7, Register::Ebx, 19, "ADX"),
    row(HAS, 7, Register::Ebx, 20, "SMAP"),
    row(NOT, 7, Register::Ebx, 23, "CLFLUSHOPT"),
    row(NOT, 7, Register::Ebx, 24, "CLWB"),
    row(NOT, 7, Register::Ebx, 29, "SHA"),
    row(NOT, 7, Register::Ecx, 2, "UMIP"),
    row(NOT, 7, Register::Ecx, 3, "PKU"),
    row(NOT, 7, Register::Ecx, 16, "LA57"),
    row(NOT, 7, Register::Ecx, 22, "RDPID"),
    row(HAS, 0x8000_0001, Register::Ecx, 0, "LAHF64"),
    row(HAS, 0x8000_0001, Register::Ecx, 5, "LZCNT"),
    row(HAS, 0x8000_0001, Register::Ecx, 8, "PREFETCHW"),
    row(HAS, 0x8000_0001, Register::Edx, 11, "SYSCALL"),
    row(HAS, 0x8000_0001, Register::Edx, 20, "NX"),
    row(HAS, 0x8000_0001, Register::Edx, 26, "PDPE1GB"),
    row(HAS, 0x8000_0001, Register::Edx, 27, "RDTSCP"),
    row(HAS, 0x8000_0001, Register::Edx, 29, "LM"),
    row(HAS, 0x8000_0007, Register::Edx, 8, "InvariantTSC"),
];
