//! What a hypervisor works with: the processor, the board, the machine's frames, and the books.

use paravane_cpu::{Cpu, PAGE_SHIFT};

use super::frames::{Frames, Owner};
use crate::accounting::{Cause, Costs, Ledger, Primitive, Share};
use crate::board::Board;
use crate::log::{Entry, Log, Note, Privilege};

/// The machine in the hypervisor's hands.
#[derive(Clone, Debug)]
pub struct Host {
    /// The processor, with the machine's RAM.
    pub cpu: Cpu,
    /// The devices.
    pub board: Board,
    /// Who owns which machine frame.
    pub frames: Frames,
    /// The prices.
    pub costs: Costs,
    /// What was charged.
    pub ledger: Ledger,
    /// What happened, exit by exit.
    pub log: Log,
    /// The exit that is being handled.
    open: Option<Entry>,
}

impl Host {
    /// A machine with `machine_memory` bytes of RAM, whose board tells its guest that it has
    /// `guest_memory` bytes.
    pub fn new(machine_memory: u64, guest_memory: u64, costs: Costs) -> Self {
        let mut cpu = Cpu::new(machine_memory);
        cpu.timing = costs.timing().clone();
        let frames = Frames::new(cpu.ram.size() >> PAGE_SHIFT);
        Self {
            cpu,
            board: Board::new(guest_memory),
            frames,
            costs,
            ledger: Ledger::default(),
            log: Log::default(),
            open: None,
        }
    }

    /// Charges a primitive to a cause: the ledger counts it, and the time passes.
    pub fn charge(&mut self, cause: Cause, primitive: Primitive, times: u64) {
        self.ledger.charge(cause, primitive, times);
        self.cpu.cycles += self.costs.price(primitive).saturating_mul(times);
    }

    /// Notes that the guest has left the CPU, at an address of its own.
    pub fn exit(&mut self, cause: Cause, address: u64, from: Privilege) {
        self.resume();
        self.ledger.exit(cause, address);
        let cycle = self.cpu.cycles;
        self.open =
            Some(Entry { cycle, cause, address, from, cost: 0, slept: 0, note: Note::Usual });
    }

    /// Says what the hypervisor did about the exit that is being handled.
    pub fn note(&mut self, note: Note) {
        if let Some(entry) = &mut self.open {
            entry.note = note;
        }
    }

    /// The guest goes on: the exit that was handled is complete.
    pub fn resume(&mut self) {
        if let Some(mut entry) = self.open.take() {
            entry.cost = self.cpu.cycles.saturating_sub(entry.cycle).saturating_sub(entry.slept);
            self.log.push(entry);
        }
    }

    /// Lets the guest sleep until `cycle`.
    pub fn sleep_until(&mut self, cycle: u64) {
        let cycles = cycle.saturating_sub(self.cpu.cycles);
        self.ledger.idle += cycles;
        match &mut self.open {
            Some(entry) => entry.slept += cycles,
            None => self.log.slept(cycles),
        }
        self.cpu.cycles += cycles;
    }

    /// Allocates a frame for the hypervisor and clears it. `None` if none is left.
    pub fn allocate_cleared(&mut self) -> Option<u64> {
        let frame = self.frames.allocate(Owner::Hypervisor)?;
        if let Some(page) = self.cpu.ram.slice_mut(frame << PAGE_SHIFT, 1 << PAGE_SHIFT) {
            page.fill(0);
        }
        Some(frame)
    }

    /// The cycles of a share so far, at the prices in force.
    pub fn cycles_of(&self, share: Share) -> u64 {
        self.ledger.cycles_of(share, &self.costs)
    }
}
