//! The names of the worlds that a guest can run in, and how a guest starts in each.

use paravane_core::guest_image::{GuestImage, StartKind};

/// A world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct World {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub summary: &'static str,
    /// The ways in which a guest can start in it.
    pub starts: &'static [StartKind],
    /// Whether this version has it.
    pub available: bool,
}

const AS_ON_A_PC: &[StartKind] = &[StartKind::Pvh, StartKind::Multiboot];

/// All worlds that are planned, in the order in which the book tells of them.
pub const WORLDS: [World; 7] = [
    World { name: "bare", summary: "no hypervisor", starts: AS_ON_A_PC, available: true },
    World {
        name: "trap",
        summary: "trap and emulate on an ideal CPU",
        starts: AS_ON_A_PC,
        available: false,
    },
    World {
        name: "trap-x86",
        summary: "trap and emulate on a CPU of 1998",
        starts: AS_ON_A_PC,
        available: false,
    },
    World {
        name: "pv",
        summary: "paravirtual: the guest calls the hypervisor",
        starts: &[StartKind::XenPv],
        available: false,
    },
    World { name: "bt", summary: "binary translation", starts: AS_ON_A_PC, available: false },
    World { name: "hvm", summary: "hardware assistance", starts: AS_ON_A_PC, available: false },
    World {
        name: "hvm-pv",
        summary: "hardware assistance with paravirtual drivers",
        starts: AS_ON_A_PC,
        available: false,
    },
];

impl World {
    /// The world with a name, if this version has it: the parser of `--world`.
    pub fn parse(name: &str) -> Result<Self, String> {
        let names = |available: bool| {
            let worlds = WORLDS.iter().filter(|world| !available || world.available);
            worlds.map(|world| world.name).collect::<Vec<_>>().join(", ")
        };
        match WORLDS.into_iter().find(|world| world.name == name) {
            Some(world) if world.available => Ok(world),
            Some(_) => Err(format!("not in this version; this version has: {}", names(true))),
            None => Err(format!("no such world; there are: {}", names(false))),
        }
    }

    /// By which of its ways in an image can start in this world; or else why not.
    pub fn start(&self, image: &GuestImage) -> Result<StartKind, Vec<(StartKind, String)>> {
        let mut missing = Vec::new();
        for method in image.start_methods() {
            if self.starts.contains(&method.kind) {
                match method.missing {
                    None => return Ok(method.kind),
                    Some(what) => missing.push((method.kind, what)),
                }
            }
        }
        Err(missing)
    }
}
