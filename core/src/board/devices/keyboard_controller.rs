//! The 8042 keyboard controller at ports 0x60 and 0x64, with nothing plugged into it.
//!
//! Guests use it to reset the machine and to open A20, and some look for a keyboard. Bytes sent
//! to the keyboard therefore time out, as they do on a PC without one: the answer is 0xFE.
//!
//! Source: IBM PC AT Technical Reference, "Keyboard Controller"; PS/2 single-channel status bits.

use paravane_cpu::AccessWidth;

use super::super::device::{Device, InterruptPin, PortRange, Request};
use crate::inspection::Inspection;

/// Status: the output buffer holds a byte.
const OUTPUT_FULL: u8 = 1 << 0;
/// Status: the last write went to the command port.
const LAST_WAS_COMMAND: u8 = 1 << 3;
/// Status: the keyboard lock is open.
const UNLOCKED: u8 = 1 << 4;
/// Status: the keyboard did not answer.
const TIME_OUT: u8 = 1 << 6;

/// Command byte: raise IRQ 1 when the output buffer fills.
const INTERRUPT_ENABLE: u8 = 1 << 0;
/// Command byte: the system flag, which the status shows as bit 2.
const SYSTEM_FLAG: u8 = 1 << 2;
/// Command byte: the clock line to the keyboard is held low.
const KEYBOARD_DISABLED: u8 = 1 << 4;

/// Output port: the CPU's RESET pin, low when active.
const NOT_RESET: u8 = 1 << 0;
/// Output port: address line 20 is open. It always is.
const A20: u8 = 1 << 1;

const SELF_TEST_PASSED: u8 = 0x55;
const INTERFACE_TEST_PASSED: u8 = 0x00;
const RESEND: u8 = 0xFE;

/// The controller.
#[derive(Clone, Debug)]
pub struct KeyboardController {
    status: u8,
    command_byte: u8,
    output: u8,
    /// The command that waits for its byte at port 0x60.
    pending_command: Option<u8>,
    request: Option<Request>,
}

impl KeyboardController {
    /// The controller as a PC's firmware leaves it: tested, keyboard disabled, no interrupts.
    pub fn new() -> Self {
        Self {
            status: UNLOCKED | LAST_WAS_COMMAND,
            command_byte: SYSTEM_FLAG | KEYBOARD_DISABLED,
            output: 0,
            pending_command: None,
            request: None,
        }
    }

    fn answer(&mut self, byte: u8) {
        self.output = byte;
        self.status |= OUTPUT_FULL;
    }

    fn command(&mut self, command: u8) {
        self.status |= LAST_WAS_COMMAND;
        self.pending_command = None;
        match command {
            0x20 => self.answer(self.command_byte),
            0x60 | 0xD1 | 0xD2 => self.pending_command = Some(command),
            0xAA => {
                self.command_byte = SYSTEM_FLAG | KEYBOARD_DISABLED;
                self.answer(SELF_TEST_PASSED);
            }
            // The lines float high, which is what the test wants to see.
            0xAB => self.answer(INTERFACE_TEST_PASSED),
            0xAD => self.command_byte |= KEYBOARD_DISABLED,
            0xAE => self.command_byte &= !KEYBOARD_DISABLED,
            0xD0 => self.answer(NOT_RESET | A20 | self.status << 4 & 1 << 4),
            // Pulse the lines of the output port whose bits are 0.
            0xF0..=0xFF if command & NOT_RESET == 0 => self.request = Some(Request::Reset),
            _ => {}
        }
    }

    fn data(&mut self, byte: u8) {
        self.status &= !LAST_WAS_COMMAND;
        match self.pending_command.take() {
            Some(0x60) => self.command_byte = byte,
            Some(0xD1) if byte & NOT_RESET == 0 => self.request = Some(Request::Reset),
            Some(0xD1) => {}
            Some(_) => self.answer(byte),
            None => {
                self.status |= TIME_OUT;
                self.answer(RESEND);
            }
        }
    }
}

impl Default for KeyboardController {
    fn default() -> Self {
        Self::new()
    }
}

impl Device for KeyboardController {
    fn name(&self) -> &'static str {
        "keyboard controller (8042)"
    }

    fn ports(&self) -> &'static [PortRange] {
        const { &[PortRange::bytes(0x60, 1), PortRange::bytes(0x64, 1)] }
    }

    fn read_port(&mut self, _now: u64, offset: u16, _width: AccessWidth) -> u32 {
        if offset == 0 {
            self.status &= !(OUTPUT_FULL | TIME_OUT);
            u32::from(self.output)
        } else {
            u32::from(self.status | self.command_byte & SYSTEM_FLAG)
        }
    }

    fn write_port(&mut self, _now: u64, offset: u16, _width: AccessWidth, value: u32) {
        match offset {
            0 => self.data(value as u8),
            _ => self.command(value as u8),
        }
    }

    fn interrupt(&mut self) -> Option<InterruptPin> {
        let enabled = self.command_byte & INTERRUPT_ENABLE != 0;
        let level = enabled && self.status & OUTPUT_FULL != 0;
        Some(InterruptPin { line: 1, level, pulsed: false })
    }

    fn take_request(&mut self) -> Option<Request> {
        self.request.take()
    }

    fn reset(&mut self, _now: u64) {
        *self = Self::new();
    }

    fn inspect(&self) -> Inspection {
        Inspection::new()
            .bits("status", self.status | self.command_byte & SYSTEM_FLAG)
            .bits("command byte", self.command_byte)
            .hex("output buffer", self.output)
            .field("keyboard", "none")
    }
}
