//! Event channels, the virtual interrupts: one bit for each port (the 2-level ABI).
//!
//! ```text
//!   event ─► pending[port] ─► not masked? ─► pending word ─► upcall pending ─► not masked? ─► upcall
//! ```
//!
//! Source: `xen/common/event_channel.c`, `xen/include/public/event_channel.h`.

use paravane_core::accounting::{Cause, Primitive};
use paravane_core::hypervisor::paravirt::Services;

use super::Xen;
use super::errors::{Answer, Errno};
use super::layout::{shared_info, vcpu_info};
use super::page_updates::DOMAIN_SELF;
use super::traps::Bounce;
use super::vcpu::callback;

/// The timer's virtual interrupt.
pub const VIRQ_TIMER: u32 = 0;
/// The console's.
pub const VIRQ_CONSOLE: u32 = 2;
/// Number of virtual interrupts.
const VIRQS: u32 = 24;
/// Ports of the 2-level ABI.
pub const PORTS: u32 = 4096;

/// What a port is connected to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Channel {
    /// Nothing.
    #[default]
    Closed,
    /// Nothing yet: a domain with this number may connect.
    Unbound(u16),
    /// Another port of this domain.
    Loopback(u32),
    /// The host's end of the console ring.
    Console,
    /// The store, which nobody runs.
    Store,
    /// A virtual interrupt.
    Virtual(u32),
    /// The vCPU itself.
    Processor,
}

/// All ports.
#[derive(Clone, Debug, Default)]
pub struct EventChannels {
    channels: Vec<Channel>,
}

impl EventChannels {
    fn get(&self, port: u32) -> Channel {
        self.channels.get(port as usize).copied().unwrap_or_default()
    }

    fn set(&mut self, port: u32, channel: Channel) {
        if let Some(slot) = self.channels.get_mut(port as usize) {
            *slot = channel;
        }
    }

    /// Takes the lowest free port; port 0 is never used.
    pub fn open(&mut self, channel: Channel) -> Result<u32, Errno> {
        if self.channels.is_empty() {
            self.channels.push(Channel::Closed);
        }
        let free = (1..self.channels.len() as u32).find(|port| self.get(*port) == Channel::Closed);
        let port = match free {
            Some(port) => port,
            None if self.channels.len() < PORTS as usize => {
                self.channels.push(Channel::Closed);
                self.channels.len() as u32 - 1
            }
            None => return Err(Errno::NoSpace),
        };
        self.set(port, channel);
        Ok(port)
    }

    /// The port of a virtual interrupt.
    pub fn port_of(&self, virq: u32) -> Option<u32> {
        (1..self.channels.len() as u32).find(|port| self.get(*port) == Channel::Virtual(virq))
    }

    /// Whether a virtual interrupt has a port.
    pub fn is_bound(&self, virq: u32) -> bool {
        self.port_of(virq).is_some()
    }

    /// Number of ports in use.
    pub fn in_use(&self) -> usize {
        self.channels.iter().filter(|channel| **channel != Channel::Closed).count()
    }
}

impl Xen {
    fn port_bit(&self, services: &dyn Services, field: u64, port: u32) -> bool {
        let mut byte = [0];
        let at = field + u64::from(port / 8);
        services.read_frame(self.domain.shared_info, at, &mut byte);
        byte[0] >> (port % 8) & 1 != 0
    }

    fn set_port_bit(&self, services: &mut dyn Services, field: u64, port: u32, on: bool) {
        let mut byte = [0];
        let at = field + u64::from(port / 8);
        services.read_frame(self.domain.shared_info, at, &mut byte);
        let bit = 1 << (port % 8);
        byte[0] = if on { byte[0] | bit } else { byte[0] & !bit };
        services.write_frame(self.domain.shared_info, at, &byte);
    }

    /// Whether an event waits at a port.
    pub(super) fn is_pending(&self, services: &dyn Services, port: u32) -> bool {
        self.port_bit(services, shared_info::PENDING, port)
    }

    /// An event has come at a port.
    pub(super) fn set_pending(&mut self, services: &mut dyn Services, port: u32) {
        services.charge(Primitive::EventChannel, 1);
        if self.is_pending(services, port) {
            return;
        }
        self.set_port_bit(services, shared_info::PENDING, port, true);
        if !self.port_bit(services, shared_info::MASK, port) {
            self.announce(services, port);
        }
        if self.vcpu.polled.contains(&port) {
            self.wake(services);
        }
    }

    /// Tells the vCPU that a port has news.
    fn announce(&mut self, services: &mut dyn Services, port: u32) {
        let words = self.pending_words(services) | 1 << (port / 64);
        self.write_info(services, vcpu_info::PENDING_WORDS, &words.to_le_bytes());
        self.write_info(services, vcpu_info::UPCALL_PENDING, &[1]);
        // A poll waits for its own ports only.
        if self.vcpu.polled.is_empty() {
            self.wake(services);
        }
    }

    /// Raises a virtual interrupt, if it is bound.
    pub(super) fn raise_virtual_interrupt(&mut self, services: &mut dyn Services, virq: u32) {
        if let Some(port) = self.events.port_of(virq) {
            self.set_pending(services, port);
        }
    }

    /// Delivers an event upcall if there is one and the guest accepts it.
    pub(super) fn deliver_events(&mut self, services: &mut dyn Services) -> Option<Cause> {
        let pending = self.info_byte(services, vcpu_info::UPCALL_PENDING) != 0;
        if !pending || self.events_masked(services) || self.vcpu.waiting {
            return None;
        }
        let to = self.vcpu.callbacks[callback::EVENT];
        self.bounce(services, &Bounce { to, error_code: None, what: "an event" });
        Some(Cause::EventUpcall)
    }

    /// event_channel_op(command, argument).
    pub(super) fn event_channel_op(
        &mut self,
        services: &mut dyn Services,
        [command, at, ..]: [u64; 5],
    ) -> Answer {
        services.charge(Primitive::EventChannel, 1);
        match command as u32 {
            0 => self.bind_interdomain(services, at),
            1 => self.bind_virq(services, at),
            // bind_pirq: the domain has no devices.
            2 => Err(Errno::Invalid.into()),
            3 => {
                let port = self.open_port(services, at)?;
                self.close(services, port);
                Ok(0)
            }
            4 => {
                let port = self.open_port(services, at)?;
                self.send(services, port)
            }
            5 => self.status(services, at),
            6 => self.alloc_unbound(services, at),
            7 => {
                // bind_ipi: the port comes back behind the vCPU's number.
                let [vcpu, _] = self.read_halves(services, at)?;
                if vcpu != 0 {
                    return Err(Errno::NoEntry.into());
                }
                let port = self.events.open(Channel::Processor)?;
                self.write_guest(services, at.wrapping_add(4), &port.to_le_bytes())?;
                Ok(0)
            }
            8 => {
                let [port, vcpu] = self.read_halves(services, at)?;
                match self.events.get(port) {
                    _ if vcpu != 0 => Err(Errno::NoEntry.into()),
                    Channel::Closed | Channel::Processor | Channel::Virtual(VIRQ_TIMER) => {
                        Err(Errno::Invalid.into())
                    }
                    _ => Ok(0),
                }
            }
            9 => self.unmask(services, at),
            10 => {
                let mut domain = [0; 2];
                self.read_guest(services, at, &mut domain)?;
                self.require_self(u16::from_le_bytes(domain).into())?;
                for port in 1..self.events.channels.len() as u32 {
                    self.close(services, port);
                }
                Ok(0)
            }
            // init_control and its kin: the FIFO ABI is not offered.
            _ => Err(Errno::NotImplemented.into()),
        }
    }

    /// The old form: the command lies before the argument.
    pub(super) fn event_channel_op_compat(
        &mut self,
        services: &mut dyn Services,
        [at, ..]: [u64; 5],
    ) -> Answer {
        let [command, _] = self.read_halves(services, at)?;
        if command > 9 {
            return Err(Errno::NotImplemented.into());
        }
        self.event_channel_op(services, [command.into(), at.wrapping_add(4), 0, 0, 0])
    }

    /// Two 32-bit numbers of a structure; the second one may lie beyond its end.
    fn read_halves(&self, services: &mut dyn Services, at: u64) -> Result<[u32; 2], Errno> {
        let mut bytes = [0; 8];
        if self.read_guest(services, at, &mut bytes).is_err() {
            let (first, _) = bytes.split_at_mut(4);
            self.read_guest(services, at, first)?;
        }
        let (halves, _) = bytes.as_chunks();
        Ok([0, 1].map(|n| halves.get(n).map_or(0, |half| u32::from_le_bytes(*half))))
    }

    /// The port that a structure begins with, which must be open.
    fn open_port(&self, services: &mut dyn Services, at: u64) -> Result<u32, Errno> {
        let [port, _] = self.read_halves(services, at)?;
        if self.events.get(port) == Channel::Closed { Err(Errno::Invalid) } else { Ok(port) }
    }

    fn bind_virq(&mut self, services: &mut dyn Services, at: u64) -> Answer {
        let [virq, vcpu] = self.read_halves(services, at)?;
        if virq >= VIRQS {
            return Err(Errno::Invalid.into());
        }
        // Interrupts that are the domain's, not one vCPU's, are bound on vCPU 0.
        let own = matches!(virq, 0 | 1 | 7);
        if vcpu != 0 {
            return Err(if own { Errno::NoEntry } else { Errno::Invalid }.into());
        }
        if self.events.is_bound(virq) {
            return Err(Errno::Exists.into());
        }
        let port = self.events.open(Channel::Virtual(virq))?;
        self.write_guest(services, at.wrapping_add(8), &port.to_le_bytes())?;
        if virq == VIRQ_TIMER {
            self.start_periodic(services);
        }
        Ok(0)
    }

    fn bind_interdomain(&mut self, services: &mut dyn Services, at: u64) -> Answer {
        let [domain, remote] = self.read_halves(services, at)?;
        self.require_self(domain.into())?;
        match self.events.get(remote) {
            Channel::Unbound(allowed) if allowed == self.domain.number => {}
            _ => return Err(Errno::Invalid.into()),
        }
        let local = self.events.open(Channel::Loopback(remote))?;
        self.events.set(remote, Channel::Loopback(local));
        self.write_guest(services, at.wrapping_add(8), &local.to_le_bytes())?;
        // What was sent before nobody noticed: look now.
        self.set_pending(services, local);
        Ok(0)
    }

    fn alloc_unbound(&mut self, services: &mut dyn Services, at: u64) -> Answer {
        let [domains, _] = self.read_halves(services, at)?;
        self.require_self((domains & 0xffff).into())?;
        let remote = match (domains >> 16) as u16 {
            remote if u64::from(remote) == DOMAIN_SELF => self.domain.number,
            remote => remote,
        };
        let port = self.events.open(Channel::Unbound(remote))?;
        self.write_guest(services, at.wrapping_add(4), &port.to_le_bytes())?;
        Ok(0)
    }

    fn close(&mut self, services: &mut dyn Services, port: u32) {
        if let Channel::Loopback(remote) = self.events.get(port) {
            self.events.set(remote, Channel::Unbound(self.domain.number));
        }
        self.events.set(port, Channel::Closed);
        self.set_port_bit(services, shared_info::PENDING, port, false);
        self.start_periodic(services);
    }

    fn send(&mut self, services: &mut dyn Services, port: u32) -> Answer {
        match self.events.get(port) {
            Channel::Loopback(remote) => self.set_pending(services, remote),
            Channel::Processor => self.set_pending(services, port),
            Channel::Console => {
                self.domain.console_ring_used = true;
                self.drain_console_ring(services);
            }
            Channel::Store | Channel::Unbound(_) => {}
            Channel::Closed | Channel::Virtual(_) => return Err(Errno::Invalid.into()),
        }
        Ok(0)
    }

    /// evtchn_status: {domain, port} → {status, vCPU, details}.
    fn status(&mut self, services: &mut dyn Services, at: u64) -> Answer {
        let [domain, port] = self.read_halves(services, at)?;
        self.require_self((domain & 0xffff).into())?;
        if port >= PORTS {
            return Err(Errno::Invalid.into());
        }
        let own = u32::from(self.domain.number);
        let (status, details) = match self.events.get(port) {
            Channel::Closed => (0, [0, 0]),
            Channel::Unbound(domain) => (1, [domain.into(), 0]),
            Channel::Loopback(remote) => (2, [own, remote]),
            Channel::Console | Channel::Store => (2, [0, port]),
            Channel::Virtual(virq) => (4, [virq, 0]),
            Channel::Processor => (5, [0, 0]),
        };
        let words = [status, 0, details[0], details[1]].map(u32::to_le_bytes).concat();
        self.write_guest(services, at.wrapping_add(8), &words)?;
        Ok(0)
    }

    fn unmask(&mut self, services: &mut dyn Services, at: u64) -> Answer {
        let port = self.open_port(services, at)?;
        if self.port_bit(services, shared_info::MASK, port) {
            self.set_port_bit(services, shared_info::MASK, port, false);
            if self.is_pending(services, port) {
                self.announce(services, port);
            }
        }
        Ok(0)
    }
}
