//! The board: everything around the CPU that is not RAM.
//!
//! It routes ports and device memory to the devices, splits accesses that are too wide, wires
//! interrupt lines and the few other signals between chips, and knows the next timer event. It
//! is a value: a clone is a snapshot. What the devices do is in `board/devices`, one file each.

pub mod clock;
mod console;
mod device;
mod devices;

pub use console::CONSOLE_LIMIT;
pub use device::{Device, InterruptPin, MemoryRange, PortRange, Request};

use paravane_cpu::{AccessWidth, Bus};

use crate::inspection::Inspection;
use devices::{CASCADE_LINE, Devices};

/// x86 has no port access of 64 bits.
const WIDEST_PORT_ACCESS: AccessWidth = AccessWidth::Dword;

/// A PC's board with its devices.
#[derive(Clone, Debug)]
pub struct Board {
    devices: Devices,
    routes: Vec<Route>,
    /// The latest cycle that anybody has told.
    now: u64,
    next_event: u64,
    nmi_pending: bool,
    request: Option<Request>,
}

/// Which device answers a range of ports.
#[derive(Clone, Copy, Debug)]
struct Route {
    range: PortRange,
    /// Index into [`Devices::each`].
    device: usize,
    /// The device's offset of the first port.
    offset: u16,
}

impl Board {
    /// A board with `memory_size` bytes of RAM, at cycle 0.
    pub fn new(memory_size: u64) -> Self {
        let devices = Devices::new(memory_size);
        let routes = routes(&devices);
        let mut board =
            Self { devices, routes, now: 0, next_event: 0, nmi_pending: false, request: None };
        board.advance(0);
        board
    }

    /// The RESET pin of all devices. Console output that nobody has taken stays, and so does what
    /// the clock's battery keeps.
    pub fn reset(&mut self) {
        let now = self.now;
        for device in self.devices.each_mut() {
            device.reset(now);
        }
        self.nmi_pending = false;
        self.request = None;
        self.advance(now);
    }

    /// What a device wants from outside, until somebody takes it.
    pub fn request(&self) -> Option<Request> {
        self.request
    }

    /// Takes what a device wants from outside: the board then no longer wants attention.
    pub fn take_request(&mut self) -> Option<Request> {
        self.request.take()
    }

    /// An edge of the NMI pin. It reaches the CPU when bit 7 of port 0x70 lets it.
    pub fn raise_nmi(&mut self) {
        self.nmi_pending = true;
    }

    /// Takes what the guest has sent to its serial console since the last call. If nobody calls
    /// this, at most [`CONSOLE_LIMIT`] bytes are kept.
    pub fn take_console_output(&mut self) -> Vec<u8> {
        self.devices.uart.take_output()
    }

    /// Sends bytes to the guest's serial console, where they arrive one per character time.
    /// Returns how many there was room for: the caller keeps the others and tries again later.
    pub fn console_input(&mut self, bytes: &[u8]) -> usize {
        let accepted = self.devices.uart.queue_input(self.now, bytes);
        self.find_next_event();
        accepted
    }

    /// Takes what the guest has written to the debug console, port 0xE9.
    pub fn take_debug_output(&mut self) -> Vec<u8> {
        self.devices.debug_console.take_output()
    }

    /// The last power-on self test code, port 0x80.
    pub fn post_code(&self) -> u8 {
        self.devices.post_code.code()
    }

    /// Every device by name, for panels.
    pub fn inspect(&self) -> Inspection {
        self.devices.each().iter().fold(Inspection::new(), |inspection, device| {
            inspection.group(device.name(), device.inspect())
        })
    }

    /// The device that takes the whole access, and its offset.
    fn route(&self, port: u16, width: AccessWidth) -> Option<(usize, u16)> {
        let bytes = width.bytes() as u16;
        let route = self.routes.iter().find(|route| {
            let (first, count) = (route.range.first, route.range.count);
            port >= first && port - first < count && count - (port - first) >= bytes
        })?;
        let whole = width <= route.range.width && port.is_multiple_of(bytes);
        whole.then_some((route.device, route.offset + (port - route.range.first)))
    }

    /// Reads a port; an access that no device takes whole is split in two, the low half first.
    fn read_split(&mut self, port: u16, width: AccessWidth) -> u32 {
        if let Some((device, offset)) = self.route(port, width) {
            self.settle_inputs();
            let now = self.now;
            let value =
                self.with_device(device, u32::MAX, |device| device.read_port(now, offset, width));
            self.settle(device);
            return value & width.mask() as u32;
        }
        let Some(half) = AccessWidth::of(width.bytes() / 2) else {
            return width.mask() as u32;
        };
        let bytes = half.bytes() as u16;
        let low = self.read_split(port, half);
        let high = self.read_split(port.wrapping_add(bytes), half);
        low | high << (8 * bytes)
    }

    fn write_split(&mut self, port: u16, width: AccessWidth, value: u32) {
        let value = value & width.mask() as u32;
        if let Some((device, offset)) = self.route(port, width) {
            self.settle_inputs();
            let now = self.now;
            self.with_device(device, (), |device| device.write_port(now, offset, width, value));
            self.settle(device);
        } else if let Some(half) = AccessWidth::of(width.bytes() / 2) {
            let bytes = half.bytes() as u16;
            self.write_split(port, half, value);
            self.write_split(port.wrapping_add(bytes), half, value >> (8 * bytes));
        }
    }

    fn with_device<T>(
        &mut self,
        index: usize,
        absent: T,
        act: impl FnOnce(&mut dyn Device) -> T,
    ) -> T {
        match self.devices.each_mut().into_iter().nth(index) {
            Some(device) => act(device),
            None => absent,
        }
    }

    /// The device that answers a physical address, and its offset.
    fn memory_route(&self, address: u64, width: AccessWidth) -> Option<(usize, u64)> {
        self.devices.each().iter().enumerate().find_map(|(index, device)| {
            let mut offset = 0;
            for range in device.memory() {
                if address >= range.first && address - range.first < range.count {
                    let inside = address - range.first;
                    return (range.count - inside >= width.bytes())
                        .then_some((index, offset + inside));
                }
                offset += range.count;
            }
            None
        })
    }

    /// Time has come to `now`: devices whose event is due catch up first.
    fn catch_up(&mut self, now: u64) {
        self.now = self.now.max(now);
        if self.next_event <= self.now {
            self.advance(now);
        }
    }

    /// Wires that lead into a device which is about to be read.
    fn settle_inputs(&mut self) {
        let output = self.devices.interval_timer.counter_2_output(self.now);
        self.devices.system_control_b.set_counter_2_output(output);
    }

    /// Carries on what an access to a device may have changed: wires, requests, events.
    fn settle(&mut self, index: usize) {
        let gate = self.devices.system_control_b.counter_2_gate();
        self.devices.interval_timer.set_counter_2_gate(self.now, gate);
        let pin = self.with_device(index, None, |device| device.interrupt());
        self.wire_interrupt(pin);
        self.wire_cascade();
        let request = self.with_device(index, None, |device| device.take_request());
        self.request = self.request.or(request);
        self.find_next_event();
    }

    fn wire_interrupt(&mut self, pin: Option<InterruptPin>) {
        let Some(InterruptPin { line, level, pulsed }) = pin else { return };
        let controller = if line < 8 { &mut self.devices.master } else { &mut self.devices.slave };
        if pulsed {
            controller.set_line(line & 7, false);
        }
        controller.set_line(line & 7, level);
    }

    fn wire_cascade(&mut self) {
        let output = self.devices.slave.output();
        self.devices.master.set_line(CASCADE_LINE, output);
    }

    fn find_next_event(&mut self) {
        let next = self.devices.each().iter().map(|device| device.next_event()).min();
        self.next_event = next.unwrap_or(u64::MAX);
    }
}

fn routes(devices: &Devices) -> Vec<Route> {
    let mut routes = Vec::new();
    for (index, device) in devices.each().iter().enumerate() {
        let mut offset = 0;
        for &range in device.ports() {
            routes.push(Route { range, device: index, offset });
            offset += range.count;
        }
    }
    routes
}

impl Bus for Board {
    fn read_port(&mut self, now: u64, port: u16, width: AccessWidth) -> u32 {
        self.catch_up(now);
        self.read_split(port, width.min(WIDEST_PORT_ACCESS))
    }

    fn write_port(&mut self, now: u64, port: u16, width: AccessWidth, value: u32) {
        self.catch_up(now);
        self.write_split(port, width.min(WIDEST_PORT_ACCESS), value);
    }

    fn read_memory(&mut self, now: u64, address: u64, width: AccessWidth) -> u64 {
        self.catch_up(now);
        let Some((device, offset)) = self.memory_route(address, width) else {
            return width.mask();
        };
        let now = self.now;
        let value =
            self.with_device(device, u64::MAX, |device| device.read_memory(now, offset, width));
        self.settle(device);
        value & width.mask()
    }

    fn write_memory(&mut self, now: u64, address: u64, width: AccessWidth, value: u64) {
        self.catch_up(now);
        let Some((device, offset)) = self.memory_route(address, width) else { return };
        let (now, value) = (self.now, value & width.mask());
        self.with_device(device, (), |device| device.write_memory(now, offset, width, value));
        self.settle(device);
    }

    fn interrupt_requested(&self) -> bool {
        self.devices.master.output()
    }

    fn acknowledge_interrupt(&mut self, now: u64) -> u8 {
        self.catch_up(now);
        let level = self.devices.master.acknowledge();
        if level != Some(CASCADE_LINE) {
            return self.devices.master.vector(level);
        }
        let level = self.devices.slave.acknowledge();
        // The slave's INT output falls with the acknowledge cycle, whatever else it requests.
        self.devices.master.set_line(CASCADE_LINE, false);
        self.wire_cascade();
        self.devices.slave.vector(level)
    }

    fn take_nmi(&mut self) -> bool {
        !self.devices.real_time_clock.masks_nmi() && std::mem::take(&mut self.nmi_pending)
    }

    fn next_event(&self) -> u64 {
        self.next_event
    }

    fn advance(&mut self, now: u64) {
        self.now = self.now.max(now);
        let now = self.now;
        let pins = self.devices.each_mut().map(|device| {
            device.advance(now);
            device.interrupt()
        });
        for pin in pins {
            self.wire_interrupt(pin);
        }
        self.wire_cascade();
        self.find_next_event();
    }

    fn wants_attention(&self) -> bool {
        self.request.is_some()
    }
}
