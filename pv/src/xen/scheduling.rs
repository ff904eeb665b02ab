//! `sched_op` and `vcpu_op`: the vCPU gives up the processor, and what is to be known of it.
//!
//! Source: `xen/common/sched/core.c`, `xen/common/domain.c`, `xen/include/public/{sched,vcpu}.h`.

use paravane_core::hypervisor::paravirt::{Services, Stop};

use super::Xen;
use super::errors::{Answer, Errno};
use super::frame_types::FrameType;
use super::layout::{is_guest_array, vcpu_info};
use super::timers::{cycles, nanoseconds};

/// Ports that one poll may name.
const POLLED_PORTS: u32 = 128;

impl Xen {
    /// sched_op(command, argument).
    pub(super) fn sched_op(
        &mut self,
        services: &mut dyn Services,
        [command, at, ..]: [u64; 5],
    ) -> Answer {
        match command as u32 {
            0 => self.drain_console_ring(services),
            1 => self.block(services),
            // shutdown, and shutdown_code, which only notes the reason.
            number @ (2 | 5) => {
                let mut bytes = [0; 4];
                self.read_guest(services, at, &mut bytes)?;
                if number == 2 {
                    self.shut_down(u32::from_le_bytes(bytes));
                }
            }
            3 => return self.poll(services, at),
            4 => {
                let mut bytes = [0; 8];
                self.read_guest(services, at, &mut bytes)?;
                return Err(Errno::NoSuchDomain.into());
            }
            // watchdog {id, timeout}: accepted, and never fires.
            6 => {
                let [words] = self.read_words::<1>(services, at)?;
                let (id, timeout) = (words as u32, (words >> 32) as u32);
                if id > 2 || id != 0 && timeout == 0 {
                    return Err(Errno::Invalid.into());
                }
                return Ok(u64::from(id == 0));
            }
            7 => return Err(Errno::NotPermitted.into()),
            _ => return Err(Errno::NotImplemented.into()),
        }
        Ok(0)
    }

    /// The old form: the reason of a shutdown is the argument itself.
    pub(super) fn sched_op_compat(
        &mut self,
        services: &mut dyn Services,
        [command, argument, ..]: [u64; 5],
    ) -> Answer {
        match command as u32 {
            0 => {}
            1 => self.block(services),
            2 => self.shut_down(argument as u32),
            _ => return Err(Errno::NotImplemented.into()),
        }
        Ok(0)
    }

    fn shut_down(&mut self, reason: u32) {
        let stop = match reason {
            0 => Stop::PowerOff,
            1 => Stop::Reboot,
            2 => Stop::Suspend,
            3 => Stop::Crash,
            other => Stop::Other(other),
        };
        self.stop.get_or_insert(stop);
    }

    /// Accepts events and waits for one, in one step.
    pub(super) fn block(&mut self, services: &mut dyn Services) {
        self.mask_events(services, false);
        if self.info_byte(services, vcpu_info::UPCALL_PENDING) == 0 {
            self.wait(services);
        }
    }

    fn wait(&mut self, services: &mut dyn Services) {
        self.account_run_state(services);
        self.vcpu.waiting = true;
        self.write_run_state(services);
    }

    /// The vCPU need not wait any longer.
    pub(super) fn wake(&mut self, services: &mut dyn Services) {
        if self.vcpu.waiting {
            self.account_run_state(services);
            self.vcpu.waiting = false;
            self.vcpu.polled.clear();
            self.vcpu.timers.poll = None;
            self.write_run_state(services);
        }
    }

    /// Waits until one of some ports is pending, or until a time.
    fn poll(&mut self, services: &mut dyn Services, at: u64) -> Answer {
        let [list, count, timeout] = self.read_words::<3>(services, at)?;
        let count = count as u32;
        if count > POLLED_PORTS {
            return Err(Errno::Invalid.into());
        }
        if !is_guest_array(list, count.into(), 4) {
            return Err(Errno::Fault.into());
        }
        let mut ports = Vec::new();
        for index in 0..u64::from(count) {
            let mut bytes = [0; 4];
            self.read_guest(services, list.wrapping_add(4 * index), &mut bytes)?;
            let port = u32::from_le_bytes(bytes);
            if port >= super::events::PORTS {
                return Err(Errno::Invalid.into());
            }
            ports.push(port);
        }
        let events = self.info_byte(services, vcpu_info::UPCALL_PENDING) != 0
            && !self.events_masked(services);
        if events || ports.iter().any(|port| self.is_pending(services, *port)) {
            return Ok(0);
        }
        if timeout != 0 {
            if timeout <= nanoseconds(services, services.now()) {
                return Ok(0);
            }
            self.vcpu.timers.poll = Some(cycles(services, timeout));
        }
        self.vcpu.polled = ports;
        self.wait(services);
        Ok(0)
    }

    /// vcpu_op(command, vCPU, argument).
    pub(super) fn vcpu_op(
        &mut self,
        services: &mut dyn Services,
        [command, vcpu, at, ..]: [u64; 5],
    ) -> Answer {
        if vcpu as u32 != 0 {
            return Err(Errno::NoEntry.into());
        }
        match command as u32 {
            // initialise: it is.
            0 => Err(Errno::Exists.into()),
            // up.
            1 => Ok(0),
            // down: the only one goes to sleep for good.
            2 => {
                self.mask_events(services, true);
                self.wait(services);
                Ok(0)
            }
            // is_up.
            3 => Ok(1),
            // get_runstate_info.
            4 => {
                self.account_run_state(services);
                let now = self.vcpu.state_since;
                let words = self.run_state_words(now, 0);
                self.write_words(services, at, &words)?;
                Ok(0)
            }
            // register_runstate_memory_area: the structure holds its address.
            5 => {
                let [address] = self.read_words::<1>(services, at)?;
                if !is_guest_array(address, 1, 48) {
                    return Err(Errno::Fault.into());
                }
                self.vcpu.run_state = address;
                self.account_run_state(services);
                self.write_run_state(services);
                Ok(0)
            }
            6 => self.set_periodic(services, at),
            7 => {
                self.stop_periodic();
                Ok(0)
            }
            8 => self.set_single_shot(services, at),
            9 => {
                self.vcpu.timers.single = None;
                Ok(0)
            }
            10 => self.register_vcpu_info(services, at),
            // send_nmi: if the guest has a handler.
            11 => Ok(0),
            // get_physid: only for vCPUs that are pinned.
            12 => Err(Errno::Invalid.into()),
            _ => Err(Errno::NotImplemented.into()),
        }
    }

    /// Moves `vcpu_info` to where the guest wants it: {frame, offset}.
    fn register_vcpu_info(&mut self, services: &mut dyn Services, at: u64) -> Answer {
        let [frame, offset] = self.read_words::<2>(services, at)?;
        let offset = u64::from(offset as u32);
        if offset > 4096 - vcpu_info::SIZE {
            return Err(Errno::NoSuchDevice.into());
        }
        if offset & 7 != 0 || self.vcpu.info_moved {
            return Err(Errno::Invalid.into());
        }
        self.get_frame_as(services, frame, FrameType::Writable)?;
        let (old, at) = self.vcpu.info;
        let mut bytes = [0; vcpu_info::SIZE as usize];
        services.read_frame(old, at, &mut bytes);
        services.write_frame(frame, offset, &bytes);
        self.vcpu.info = (frame, offset);
        self.vcpu.info_moved = true;
        // Nothing may get lost: everything counts as pending.
        self.write_info(services, vcpu_info::PENDING_WORDS, &[0xff; 8]);
        self.write_info(services, vcpu_info::UPCALL_PENDING, &[1]);
        Ok(0)
    }
}
