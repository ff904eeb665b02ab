//! Addresses with the names that the guest's source gives them.

use std::fmt;

use crate::guest_image::GuestImage;

/// An address and the symbol that covers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// A linear address.
    pub address: u64,
    /// The symbol, if the image has one there.
    pub symbol: Option<NearSymbol>,
}

/// A symbol, and how far behind it an address lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NearSymbol {
    /// Its name; of Rust functions the readable one.
    pub name: String,
    /// Bytes behind its start.
    pub offset: u64,
}

impl Place {
    /// The place of an address in a guest.
    pub fn of(image: &GuestImage, address: u64) -> Self {
        Self { address, symbol: NearSymbol::of(image, address) }
    }
}

impl NearSymbol {
    /// The symbol that covers an address.
    ///
    /// A guest that has not set up paging yet runs at physical addresses, while its symbols may
    /// have virtual ones: then the segments say which belong together.
    pub fn of(image: &GuestImage, address: u64) -> Option<Self> {
        let address = if in_segment(image, address) {
            address
        } else {
            image.segments().iter().find_map(|segment| {
                let inside = address.checked_sub(segment.physical_address)?;
                (inside < segment.memory_size).then(|| segment.virtual_address + inside)
            })?
        };
        let (name, offset) = image.symbol_at(address)?;
        Some(Self { name: readable(name), offset })
    }
}

/// A symbol's name for people: Rust's mangling undone, and nothing in it that a terminal obeys.
pub fn readable(name: &str) -> String {
    let name = format!("{:#}", rustc_demangle::demangle(name));
    name.replace(|c: char| c.is_control(), "?")
}

fn in_segment(image: &GuestImage, address: u64) -> bool {
    image.segments().iter().any(|segment| {
        let inside = address.checked_sub(segment.virtual_address);
        inside.is_some_and(|inside| inside < segment.memory_size)
    })
}

/// Whether an address lies in a part of the image that the guest may execute.
pub fn is_code(image: &GuestImage, address: u64) -> bool {
    image.segments().iter().filter(|segment| segment.executable).any(|segment| {
        [segment.virtual_address, segment.physical_address].into_iter().any(|start| {
            address.checked_sub(start).is_some_and(|inside| inside < segment.memory_size)
        })
    })
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.symbol {
            Some(symbol) => write!(f, "{:#018x} {symbol}", self.address),
            None => write!(f, "{:#018x}", self.address),
        }
    }
}

impl fmt::Display for NearSymbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.offset {
            0 => f.pad(&self.name),
            offset => f.pad(&format!("{}+{offset:#x}", self.name)),
        }
    }
}
