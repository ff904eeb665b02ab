//! The workbench: one guest in one world, as the command line, the dashboard and tests use it.
//!
//! It hides which kind of machine runs the guest, and lends out what is worth looking at. Nothing
//! is computed twice: the ledger is the one that was charged, the CPU the one that ran.

use paravane_cpu::{Activity, Bus, Cpu, Ram};
use thiserror::Error;

use crate::accounting::{Costs, Ledger};
use crate::board::Board;
use crate::guest_image::{GuestImage, LoadError, LoadOptions, StartKind};
use crate::hypervisor::paravirt::{BuildError, ParavirtAbi, ParavirtualMachine};
use crate::hypervisor::virtual_machine::DEFAULT_POOL;
use crate::hypervisor::{Host, Processor, ShadowPolicy, VirtualMachine, lies::Lies};
use crate::log::Log;
use crate::machine::{DEFAULT_MEMORY, Machine, PortAccess, Stopped};
use crate::worlds::World;

/// How to set up a run.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Where.
    pub world: World,
    /// The guest's RAM in bytes.
    pub memory: u64,
    /// The prices.
    pub costs: Costs,
    /// What becomes of shadow tables at a CR3 load.
    pub shadow: ShadowPolicy,
    /// Memory for shadow tables in bytes.
    pub pool: u64,
    /// Makes the hypercall ABI of the paravirtual world. It comes from above this crate.
    pub personality: Option<fn() -> Box<dyn ParavirtAbi>>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            world: World::Bare,
            memory: DEFAULT_MEMORY,
            costs: Costs::free(),
            shadow: ShadowPolicy::Cached,
            pool: DEFAULT_POOL,
            personality: None,
        }
    }
}

/// Why a guest can't be started in a world.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StartError {
    /// The image can't be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The image can't be built into a paravirtual domain.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The image lacks what the world needs.
    #[error("{name}: can't run in the world {world}: {missing}")]
    Missing {
        /// The image's name.
        name: String,
        /// The world.
        world: World,
        /// What is absent, and the remedy.
        missing: String,
    },
}

/// A guest's CPU as the guest believes it, and the RAM that it works on.
#[derive(Clone, Copy, Debug)]
pub struct GuestView<'a> {
    /// What the guest believes.
    pub cpu: &'a Cpu,
    /// The machine's RAM.
    pub ram: &'a Ram,
}

impl GuestView<'_> {
    /// Reads memory at a linear address. Stops at the first byte that is not mapped to RAM.
    pub fn peek(&self, linear: u64, length: usize) -> Vec<u8> {
        self.cpu.peek_in(self.ram, linear, length)
    }
}

#[derive(Clone, Debug)]
enum Running {
    Bare(Box<Machine>),
    Virtual(Box<VirtualMachine>),
    Paravirtual(Box<ParavirtualMachine>),
}

/// A guest in a world.
#[derive(Clone, Debug)]
pub struct Workbench {
    world: World,
    running: Running,
}

impl Workbench {
    /// Starts a guest.
    ///
    /// # Errors
    /// The image lacks what the world needs, or does not fit.
    pub fn start(
        setup: Setup,
        image: &GuestImage,
        options: &LoadOptions,
    ) -> Result<Self, StartError> {
        let Setup { world, memory, costs, shadow, pool, personality } = setup;
        let running = match world {
            World::Bare => {
                let mut machine = Machine::with_costs(memory, costs);
                machine.load(image, options)?;
                Running::Bare(Box::new(machine))
            }
            World::Trap | World::TrapX86 => {
                let processor =
                    if world == World::Trap { Processor::Ideal } else { Processor::X86 };
                let mut machine = VirtualMachine::new(processor, memory, pool, costs, shadow);
                machine.load(image, options)?;
                Running::Virtual(Box::new(machine))
            }
            World::Pv => {
                let missing = |missing: String| StartError::Missing {
                    name: image.name().into(),
                    world,
                    missing,
                };
                if let Some(what) = Self::missing_for_paravirtual(image) {
                    return Err(missing(what));
                }
                let personality = personality
                    .ok_or_else(|| missing("this program was built without hypercalls".into()))?;
                let machine =
                    ParavirtualMachine::new(personality(), image, options, memory, costs)?;
                Running::Paravirtual(Box::new(machine))
            }
        };
        Ok(Self { world, running })
    }

    /// What an image lacks to run paravirtually.
    fn missing_for_paravirtual(image: &GuestImage) -> Option<String> {
        let methods = image.start_methods().into_iter();
        methods.filter(|method| method.kind == StartKind::XenPv).find_map(|method| method.missing)
    }

    /// The world.
    pub fn world(&self) -> World {
        self.world
    }

    /// Runs for at most `budget` cycles of guest time.
    pub fn run(&mut self, budget: u64) -> Stopped {
        match &mut self.running {
            Running::Bare(machine) => machine.run(budget),
            Running::Virtual(machine) => machine.run(budget),
            Running::Paravirtual(machine) => Stopped::from(&machine.run(budget)),
        }
    }

    /// Runs one instruction, or what happens in its place. On bare metal the port accesses that
    /// it made are appended to `accesses`.
    pub fn step(&mut self, accesses: &mut Vec<PortAccess>) -> Stopped {
        match &mut self.running {
            Running::Bare(machine) => machine.step(accesses),
            Running::Virtual(machine) => {
                // A CPU that sleeps with nothing to wake it sleeps on to the next event.
                let board = &machine.host.board;
                let asleep = machine.virtual_cpu.activity == Activity::Halted;
                let event =
                    if asleep && !board.interrupt_requested() { board.next_event() } else { 0 };
                machine.run(event.saturating_sub(machine.host.cpu.cycles).max(1))
            }
            Running::Paravirtual(machine) => Stopped::from(&machine.run(1)),
        }
    }

    /// The devices.
    pub fn board(&self) -> &Board {
        match &self.running {
            Running::Bare(machine) => &machine.board,
            Running::Virtual(machine) => &machine.host.board,
            Running::Paravirtual(machine) => &machine.host.board,
        }
    }

    /// The devices, to type on the console and to take what it printed.
    pub fn board_mut(&mut self) -> &mut Board {
        match &mut self.running {
            Running::Bare(machine) => &mut machine.board,
            Running::Virtual(machine) => &mut machine.host.board,
            Running::Paravirtual(machine) => &mut machine.host.board,
        }
    }

    /// The processor that runs the guest.
    pub fn real_cpu(&self) -> &Cpu {
        match &self.running {
            Running::Bare(machine) => &machine.cpu,
            Running::Virtual(machine) => &machine.host.cpu,
            Running::Paravirtual(machine) => &machine.host.cpu,
        }
    }

    /// What the guest believes of its processor, with its memory.
    pub fn guest(&self) -> GuestView<'_> {
        let cpu = match &self.running {
            Running::Bare(machine) => &machine.cpu,
            Running::Virtual(machine) => &machine.virtual_cpu,
            Running::Paravirtual(machine) => &machine.host.cpu,
        };
        GuestView { cpu, ram: &self.real_cpu().ram }
    }

    /// Guest time in cycles.
    pub fn cycles(&self) -> u64 {
        self.real_cpu().cycles
    }

    /// Instructions of the guest that were executed or emulated.
    pub fn instructions(&self) -> u64 {
        match &self.running {
            Running::Bare(machine) => machine.cpu.instructions,
            Running::Virtual(machine) => guest_instructions(&machine.host),
            Running::Paravirtual(machine) => guest_instructions(&machine.host),
        }
    }

    /// The books.
    pub fn ledger(&self) -> Ledger {
        match &self.running {
            Running::Bare(machine) => machine.ledger(),
            Running::Virtual(machine) => machine.host.ledger.clone(),
            Running::Paravirtual(machine) => machine.host.ledger.clone(),
        }
    }

    /// What happened, exit by exit. On bare metal nothing exits.
    pub fn log(&self) -> Option<&Log> {
        match &self.running {
            Running::Bare(_) => None,
            Running::Virtual(machine) => Some(&machine.host.log),
            Running::Paravirtual(machine) => Some(&machine.host.log),
        }
    }

    /// The prices in force.
    pub fn costs(&self) -> &Costs {
        match &self.running {
            Running::Bare(machine) => &machine.costs,
            Running::Virtual(machine) => &machine.host.costs,
            Running::Paravirtual(machine) => &machine.host.costs,
        }
    }

    /// On a CPU of 1998: what the guest was told wrongly.
    pub fn lies(&self) -> Option<&Lies> {
        match &self.running {
            Running::Virtual(machine) if self.world == World::TrapX86 => Some(machine.lies()),
            _ => None,
        }
    }
}

fn guest_instructions(host: &Host) -> u64 {
    host.ledger.guest_kernel.instructions + host.ledger.guest_user.instructions
}
