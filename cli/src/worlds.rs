//! Worlds on the command line, and by which of its ways in a guest starts in each.

use paravane_core::guest_image::{GuestImage, StartKind};
use paravane_core::worlds::World;

/// Parses `--world`.
pub fn parse(name: &str) -> Result<World, String> {
    World::from_name(name).ok_or_else(|| {
        let names: Vec<_> = World::ALL.iter().map(|world| world.name()).collect();
        format!("no such world; there are: {}", names.join(", "))
    })
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
