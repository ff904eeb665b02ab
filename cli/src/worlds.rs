//! Which worlds this version has, and by which of its ways in a guest starts in each.

use paravane_core::guest_image::{GuestImage, StartKind};
use paravane_core::worlds::World;

/// The worlds that guests can be run in.
const AVAILABLE: [World; 1] = [World::Bare];

/// Whether this version has a world.
pub fn is_available(world: World) -> bool {
    AVAILABLE.contains(&world)
}

/// Parses `--world`.
pub fn parse(name: &str) -> Result<World, String> {
    match World::from_name(name) {
        Some(world) if is_available(world) => Ok(world),
        Some(_) => Err(format!("not in this version; this version has: {}", names(&AVAILABLE))),
        None => Err(format!("no such world; there are: {}", names(&World::ALL))),
    }
}

/// By which of its ways in an image can start in a world; or else why not, for each way.
pub fn start(world: World, image: &GuestImage) -> Result<StartKind, Vec<(StartKind, String)>> {
    let mut missing = Vec::new();
    for method in image.start_methods() {
        if starts(world).contains(&method.kind) {
            match method.missing {
                None => return Ok(method.kind),
                Some(what) => missing.push((method.kind, what)),
            }
        }
    }
    Err(missing)
}

/// The ways in which guests start in a world.
fn starts(world: World) -> &'static [StartKind] {
    match world {
        World::Bare | World::Trap | World::TrapX86 => &[StartKind::Pvh, StartKind::Multiboot],
        World::Pv => &[StartKind::XenPv],
    }
}

fn names(worlds: &[World]) -> String {
    worlds.iter().map(|world| world.name()).collect::<Vec<_>>().join(", ")
}
