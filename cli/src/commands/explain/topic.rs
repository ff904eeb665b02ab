//! What can be explained, and its names.

use paravane_core::accounting::costs::PRESETS;
use paravane_core::accounting::{Cause, Primitive};
use paravane_core::hypervisor::paravirt::CallDescription;
use paravane_core::worlds::World;
use paravane_cpu::timing::Operation;
use paravane_cpu::{Sensitive, Vector};
use paravane_pv::xen::calls::CALLS;

/// Something that has a name.
#[derive(Clone, Copy, Debug)]
pub enum Topic {
    /// A sensitive instruction.
    Instruction(Sensitive),
    /// A cause of exits that is neither an instruction nor a hypercall.
    Cause(Cause),
    /// A hypercall of Xen.
    Hypercall(&'static CallDescription),
    /// A piece of the hypervisor's work.
    Primitive(Primitive),
    /// A piece of the processor's work.
    Operation(Operation),
    /// A world.
    World(World),
    /// A cost preset, by its name.
    Preset(&'static str),
}

/// The kinds of topics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Instruction,
    Exception,
    Cause,
    Hypercall,
    Primitive,
    Operation,
    World,
    Preset,
}

/// The causes that are neither instructions, exceptions nor hypercalls.
const OTHER_CAUSES: [Cause; 9] = [
    Cause::SoftwareInterrupt,
    Cause::HiddenPageFault,
    Cause::PageTableWrite,
    Cause::TracedWrite,
    Cause::DeviceMemory,
    Cause::ExternalInterrupt,
    Cause::UnsupportedMode,
    Cause::BouncedSystemCall,
    Cause::EventUpcall,
];

impl Kind {
    /// All of them, in the order of the list.
    pub const ALL: [Self; 8] = [
        Self::World,
        Self::Instruction,
        Self::Exception,
        Self::Cause,
        Self::Hypercall,
        Self::Primitive,
        Self::Operation,
        Self::Preset,
    ];

    /// Its heading in the list.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Instruction => "Sensitive instructions",
            Self::Exception => "Exceptions",
            Self::Cause => "Other causes of exits",
            Self::Hypercall => "Hypercalls of Xen",
            Self::Primitive => "What the hypervisor's work consists of",
            Self::Operation => "What takes the processor more than a cycle",
            Self::World => "Worlds",
            Self::Preset => "Cost presets",
        }
    }
}

impl Topic {
    /// Everything that can be explained.
    pub fn all() -> Vec<Self> {
        let mut all: Vec<_> = World::ALL.into_iter().map(Self::World).collect();
        all.extend(Sensitive::ALL.iter().copied().map(Self::Instruction));
        all.extend(Vector::ALL.into_iter().map(Cause::Exception).map(Self::Cause));
        all.extend(OTHER_CAUSES.map(Self::Cause));
        all.extend(CALLS.iter().map(Self::Hypercall));
        all.extend(Primitive::ALL.iter().copied().map(Self::Primitive));
        all.extend(Operation::ALL.iter().copied().map(Self::Operation));
        all.extend(PRESETS.iter().map(|(name, _)| Self::Preset(name)));
        all
    }

    /// Its kind.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Instruction(_) => Kind::Instruction,
            Self::Cause(Cause::Exception(_)) => Kind::Exception,
            Self::Cause(_) => Kind::Cause,
            Self::Hypercall(_) => Kind::Hypercall,
            Self::Primitive(_) => Kind::Primitive,
            Self::Operation(_) => Kind::Operation,
            Self::World(_) => Kind::World,
            Self::Preset(_) => Kind::Preset,
        }
    }

    /// Its name.
    pub fn name(&self) -> String {
        match self {
            Self::Instruction(instruction) => instruction.name().into(),
            Self::Cause(cause) => cause.name().into_owned(),
            Self::Hypercall(call) => call.name.into(),
            Self::Primitive(primitive) => primitive.key().into(),
            Self::Operation(operation) => operation.key().into(),
            Self::World(world) => world.name().into(),
            Self::Preset(name) => (*name).into(),
        }
    }

    /// Whether this is one of its names. Shells take `#PF` for a comment, so `PF` will do.
    pub fn is_called(&self, name: &str) -> bool {
        let name = normal(name);
        if normal(&self.name()) == name {
            return true;
        }
        match self {
            Self::Cause(Cause::Exception(vector)) => {
                normal(&spaced(&format!("{vector:?}"))) == name
            }
            Self::Hypercall(call) => normal(&format!("{} hypercall", call.name)) == name,
            _ => false,
        }
    }
}

/// A name without what people leave out or write differently.
pub fn normal(name: &str) -> String {
    let name = name.trim().trim_start_matches('#').to_lowercase();
    name.replace(['-', '_'], " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `PageFault` as `Page Fault`.
fn spaced(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() {
            text.push(' ');
        }
        text.push(letter);
    }
    text
}
