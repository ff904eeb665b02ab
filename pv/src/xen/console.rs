//! The guest's console: by hypercall, and by the ring that it shares with the host.
//!
//! Source: `do_console_io` in `xen/drivers/char/console.c`, `xen/include/public/io/console.h`.

use std::collections::VecDeque;

use paravane_core::accounting::Primitive;
use paravane_core::hypervisor::paravirt::Services;

use super::Xen;
use super::errors::{Answer, Errno, Refusal};
use super::events::VIRQ_CONSOLE;

/// Characters that wait for the guest, at most; more wait in the serial line.
const INPUT_KEPT: usize = 1024;
/// Bytes that one execution of a call writes.
const CHUNK: u64 = 4096;

/// `struct xencons_interface`: rings and indexes.
mod ring {
    pub const INPUT: u64 = 0;
    pub const INPUT_SIZE: u32 = 1024;
    pub const OUTPUT: u64 = 1024;
    pub const OUTPUT_SIZE: u32 = 2048;
    pub const INPUT_CONSUMED: u64 = 3072;
    pub const INPUT_PRODUCED: u64 = 3076;
    pub const OUTPUT_CONSUMED: u64 = 3080;
    pub const OUTPUT_PRODUCED: u64 = 3084;
}

/// Console input that the guest has not read yet.
pub type Input = VecDeque<u8>;

impl Xen {
    /// console_io(command, count, buffer).
    pub(super) fn console_io(
        &mut self,
        services: &mut dyn Services,
        [command, count, buffer, ..]: [u64; 5],
    ) -> Answer {
        let count = u64::from(count as u32);
        match command as u32 {
            // CONSOLEIO_write.
            0 => {
                let now = count.min(CHUNK);
                let mut bytes = vec![0; now as usize];
                self.read_guest(services, buffer, &mut bytes)?;
                services.console_write(&bytes);
                if now < count {
                    let rest = [command, count - now, buffer.wrapping_add(now), 0, 0];
                    return Err(Refusal::Again(rest));
                }
                Ok(0)
            }
            // CONSOLEIO_read.
            1 => {
                let count = (count as usize).min(self.domain.input.len());
                let bytes: Vec<u8> = self.domain.input.iter().take(count).copied().collect();
                self.write_guest(services, buffer, &bytes)?;
                self.domain.input.drain(..count);
                self.take_console_input(services);
                Ok(count as u64)
            }
            _ => Err(Errno::NotImplemented.into()),
        }
    }

    /// Characters have come on the line: keeps as many as there is room for, and tells the guest.
    pub(super) fn take_console_input(&mut self, services: &mut dyn Services) {
        if self.domain.console_ring_used {
            self.fill_console_ring(services);
            return;
        }
        let mut bytes = [0; 64];
        loop {
            let room = INPUT_KEPT.saturating_sub(self.domain.input.len()).min(bytes.len());
            let part = bytes.get_mut(..room).unwrap_or_default();
            let count = services.console_read(part);
            self.domain.input.extend(part.iter().take(count));
            if count < bytes.len() {
                break;
            }
        }
        if !self.domain.input.is_empty() {
            self.raise_virtual_interrupt(services, VIRQ_CONSOLE);
        }
    }

    fn ring_index(&self, services: &dyn Services, field: u64) -> u32 {
        let mut bytes = [0; 4];
        services.read_frame(self.domain.console_frame, field, &mut bytes);
        u32::from_le_bytes(bytes)
    }

    fn set_ring_index(&self, services: &mut dyn Services, field: u64, value: u32) {
        services.write_frame(self.domain.console_frame, field, &value.to_le_bytes());
    }

    /// Sends on what the guest has put into the output ring.
    pub(super) fn drain_console_ring(&mut self, services: &mut dyn Services) {
        if self.domain.console_frame == 0 {
            return;
        }
        let produced = self.ring_index(services, ring::OUTPUT_PRODUCED);
        let consumed = self.ring_index(services, ring::OUTPUT_CONSUMED);
        // More than the ring holds is a guest's mistake: the newest part is what is there.
        let count = produced.wrapping_sub(consumed).min(ring::OUTPUT_SIZE);
        if count > 0 {
            let bytes: Vec<u8> = (0..count)
                .map(|n| {
                    let index = produced.wrapping_sub(count).wrapping_add(n) % ring::OUTPUT_SIZE;
                    let mut byte = [0];
                    let at = ring::OUTPUT + u64::from(index);
                    services.read_frame(self.domain.console_frame, at, &mut byte);
                    byte[0]
                })
                .collect();
            services.console_write(&bytes);
            services.charge(Primitive::GuestCopy, u64::from(count.div_ceil(64)));
            self.set_ring_index(services, ring::OUTPUT_CONSUMED, produced);
            self.set_pending(services, self.domain.console_port);
        }
        self.fill_console_ring(services);
    }

    /// Puts what has come on the line into the input ring.
    fn fill_console_ring(&mut self, services: &mut dyn Services) {
        let mut produced = self.ring_index(services, ring::INPUT_PRODUCED);
        let consumed = self.ring_index(services, ring::INPUT_CONSUMED);
        let mut any = false;
        while produced.wrapping_sub(consumed) < ring::INPUT_SIZE {
            let mut byte = [0];
            match self.domain.input.pop_front() {
                Some(kept) => byte[0] = kept,
                None if services.console_read(&mut byte) == 0 => break,
                None => {}
            }
            let at = ring::INPUT + u64::from(produced % ring::INPUT_SIZE);
            services.write_frame(self.domain.console_frame, at, &byte);
            produced = produced.wrapping_add(1);
            any = true;
        }
        if any {
            self.set_ring_index(services, ring::INPUT_PRODUCED, produced);
            self.set_pending(services, self.domain.console_port);
        }
    }
}
