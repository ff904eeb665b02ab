//! The devices that the hypervisor keeps for itself: interrupt controllers and console.

use paravane_cpu::{AccessWidth, Bus};

use crate::hypervisor::host::Host;

/// Ports of COM1, the hypervisor's own console.
pub const SERIAL: u16 = 0x3f8;
const MASTER_COMMAND: u16 = 0x20;
const END_OF_INTERRUPT: u32 = 0x20;

/// The hypervisor programs the board: its console interrupts it when a character has come, and
/// nothing else does.
pub fn take_over(host: &mut Host) {
    const SETTINGS: &[(u16, u32)] = &[
        // 8259s: edge-triggered, cascaded, vectors 0x20 and 0x28, 8086 mode; only line 4 open.
        (0x20, 0x11),
        (0x21, 0x20),
        (0x21, 0x04),
        (0x21, 0x01),
        (0xa0, 0x11),
        (0xa1, 0x28),
        (0xa1, 0x02),
        (0xa1, 0x01),
        (0x21, 0xef),
        (0xa1, 0xff),
        // 16550A: 115200 baud, 8 data bits, FIFOs on, interrupt on received data.
        (SERIAL + 3, 0x83),
        (SERIAL, 1),
        (SERIAL + 1, 0),
        (SERIAL + 3, 0x03),
        (SERIAL + 2, 0x07),
        (SERIAL + 4, 0x0b),
        (SERIAL + 1, 0x01),
    ];
    for (port, value) in SETTINGS {
        host.board.write_port(0, *port, AccessWidth::Byte, *value);
    }
}

/// Acknowledges the interrupt that is requested: the console's, as no other line is open.
pub fn acknowledge_interrupt(host: &mut Host) {
    let now = host.cpu.cycles;
    host.board.acknowledge_interrupt(now);
}

/// The handler is done: the controller may interrupt again.
pub fn end_of_interrupt(host: &mut Host) {
    let now = host.cpu.cycles;
    host.board.write_port(now, MASTER_COMMAND, AccessWidth::Byte, END_OF_INTERRUPT);
}
