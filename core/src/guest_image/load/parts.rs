//! The parts of an image that go to fixed places in RAM.

use paravane_cpu::Ram;

use super::super::error::LoadError;
use super::super::{GuestImage, Segment};
use super::placement::{HIGH_MEMORY, LOW_MEMORY_END};

/// Bytes for a physical address, followed by zeroes.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// Where it goes.
    pub address: u64,
    /// Its size in memory, in bytes.
    pub size: u64,
    /// What comes from the file.
    pub bytes: &'a [u8],
}

/// The segments of an ELF file at their physical addresses.
pub fn of_segments(image: &GuestImage) -> Vec<Part<'_>> {
    let part = |segment: Segment| Part {
        address: segment.physical_address,
        size: segment.memory_size,
        bytes: image.segment_bytes(&segment),
    };
    image.segments().iter().copied().map(part).collect()
}

/// What a Multiboot header describes: one part by its address fields, or the ELF segments.
pub fn for_multiboot(image: &GuestImage) -> Result<Vec<Part<'_>>, LoadError> {
    let header = image.multiboot();
    let Some((header, addresses)) = header.and_then(|header| Some((header, header.addresses?)))
    else {
        return Ok(of_segments(image));
    };
    let wrong = |missing: String| LoadError::Missing {
        name: image.name().into(),
        kind: super::StartKind::Multiboot,
        missing,
    };
    // load_addr is as far before header_addr in memory as the first byte is before the header.
    let before_header = u64::from(addresses.header).checked_sub(u64::from(addresses.load));
    let start = before_header.and_then(|distance| header.offset.checked_sub(distance));
    let start = start.ok_or_else(|| {
        let (load, at) = (addresses.load, addresses.header);
        wrong(format!("load_addr {load:#x} is not before header_addr {at:#x}, or before the file"))
    })?;
    let rest = image.bytes().get(start as usize..).unwrap_or_default();
    let bytes = match addresses.load_end {
        0 => rest,
        end => {
            let length =
                end.checked_sub(addresses.load).and_then(|length| rest.get(..length as usize));
            length.ok_or_else(|| {
                wrong(format!("load_end_addr {end:#x} is before load_addr or beyond the file"))
            })?
        }
    };
    let size = match addresses.bss_end {
        0 => bytes.len() as u64,
        end => u64::from(end.saturating_sub(addresses.load)).max(bytes.len() as u64),
    };
    Ok(vec![Part { address: addresses.load.into(), size, bytes }])
}

/// Checks that every part is in usable RAM and that none overlap.
pub fn check(image: &GuestImage, parts: &[Part<'_>], ram: &Ram) -> Result<(), LoadError> {
    let name = || image.name().to_owned();
    for (index, &Part { address, size: length, .. }) in parts.iter().enumerate() {
        if !ram.contains(address, length) {
            let ram_size = ram.size();
            return Err(LoadError::OutsideRam { name: name(), index, address, length, ram_size });
        }
        if address < HIGH_MEMORY && address + length > LOW_MEMORY_END {
            return Err(LoadError::Reserved { name: name(), index, address, length });
        }
    }
    let mut sorted: Vec<_> = parts.iter().map(|part| (part.address, part.size)).collect();
    sorted.sort_unstable();
    for pair in sorted.windows(2) {
        if let &[(first, size), (second, _)] = pair
            && first + size > second
        {
            return Err(LoadError::Overlap { name: name(), first, second });
        }
    }
    Ok(())
}

/// Copies parts that [`check`] has accepted, and zeroes their BSS.
pub fn copy(ram: &mut Ram, parts: &[Part<'_>]) {
    for part in parts {
        let Some(memory) = ram.slice_mut(part.address, part.size) else { continue };
        let loaded = part.bytes.len().min(memory.len());
        let (from_file, bss) = memory.split_at_mut(loaded);
        from_file.copy_from_slice(part.bytes.get(..loaded).unwrap_or_default());
        bss.fill(0);
    }
}
