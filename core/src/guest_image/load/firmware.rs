//! What little of a PC's firmware this machine has: the BIOS data area, and interrupt vectors.
//!
//! Kernels that were started by Multiboot still look into the data area for the end of low
//! memory, and some go back to real mode to call the BIOS. There is none: every call returns with
//! the carry flag set and AH = 0x86, "function not supported".

use paravane_cpu::Ram;

/// The port of the first serial interface, at 40:0.
const SERIAL_PORT: (u64, u16) = (0x400, 0x3f8);
/// The segment of the extended BIOS data area, at 40:E. It is where low memory ends.
const EXTENDED_AREA: (u64, u16) = (0x40e, 0x9fc0);
/// Low memory in KiB, at 40:13.
const BASE_MEMORY: (u64, u16) = (0x413, 639);

/// The segment of the BIOS, and in it the address where PCs keep a lone IRET.
const SEGMENT: u16 = 0xf000;
const RETURN: u16 = 0xff53;
/// Behind the IRET: the answer to every call.
const NOT_SUPPORTED: u16 = RETURN + 1;
/// iret, then: mov ah, 0x86; stc; retf 2 (which drops the caller's flags, and keeps CF).
const CODE: [u8; 7] = [0xcf, 0xb4, 0x86, 0xf9, 0xca, 0x02, 0x00];

/// Vectors of BIOS calls. The others are exceptions and interrupts, which return at once.
const CALLS: std::ops::Range<u64> = 0x10..0x70;

/// Writes it all. It is true of this machine, and nothing else is there.
pub fn write(ram: &mut Ram) {
    for (address, value) in [SERIAL_PORT, EXTENDED_AREA, BASE_MEMORY] {
        ram.write(address, value);
    }
    for vector in 0..256_u64 {
        let offset = if CALLS.contains(&vector) { NOT_SUPPORTED } else { RETURN };
        ram.write(vector * 4, offset);
        ram.write(vector * 4 + 2, SEGMENT);
    }
    let start = (u64::from(SEGMENT) << 4) + u64::from(RETURN);
    for (address, byte) in (start..).zip(CODE) {
        ram.write(address, byte);
    }
}
