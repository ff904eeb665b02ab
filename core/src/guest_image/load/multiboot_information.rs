//! The Multiboot information structure: what a Multiboot guest finds at the address in EBX.
//!
//! ```text
//! information (116 bytes)                    module (16)    memory range (24)
//!  0 flags          20 mods_count             0 mod_start    0 size: 20
//!  4 mem_lower      24 mods_addr              4 mod_end      4 base_addr
//!  8 mem_upper      44 mmap_length            8 string      12 length
//! 12 boot_device    48 mmap_addr             12 reserved    20 type
//! 16 cmdline        64 boot_loader_name
//! ```
//!
//! Source: Multiboot Specification version 0.6.96, "Boot information format". Left out: the ELF
//! section headers, drives, BIOS configuration, APM and video.

use paravane_cpu::Ram;

use super::super::error::LoadError;
use super::LoadOptions;
use super::placement::{HIGH_MEMORY, LOW_MEMORY_END, Placement, memory_map};

const SIZE: usize = 116;
const BOOT_LOADER_NAME: &str = "Paravane";

/// Flags: memory sizes, command line, modules, memory map and the loader's name are valid.
const FLAGS: u32 = 1 << 0 | 1 << 2 | 1 << 3 | 1 << 6 | 1 << 9;

/// Writes the structure and all that it points to, and returns its address.
pub fn write(
    ram: &mut Ram,
    placement: &mut Placement<'_>,
    options: &LoadOptions,
) -> Result<u32, LoadError> {
    let mut modules = Vec::new();
    for module in &options.modules {
        let address = placement.put_high(ram, "a module", &module.bytes)? as u32;
        let name = placement.put_string(ram, "a module's name", &module.name)? as u32;
        for field in [address, address + module.bytes.len() as u32, name, 0] {
            modules.extend(field.to_le_bytes());
        }
    }
    let module_list = placement.put_low(ram, "the module list", &modules)?;
    let command_line = placement.put_string(ram, "the command line", &options.command_line)?;
    let loader_name = placement.put_string(ram, "the loader's name", BOOT_LOADER_NAME)?;

    let mut ranges = Vec::new();
    for range in memory_map(placement.ram_size()) {
        ranges.extend(20_u32.to_le_bytes());
        ranges.extend(range.address.to_le_bytes());
        ranges.extend(range.size.to_le_bytes());
        ranges.extend(range.kind.to_le_bytes());
    }
    let range_list = placement.put_low(ram, "the memory map", &ranges)?;

    let ram_size = placement.ram_size();
    let lower = ram_size.min(LOW_MEMORY_END) >> 10;
    let upper = u32::try_from(ram_size.saturating_sub(HIGH_MEMORY) >> 10).unwrap_or(u32::MAX);
    let mut info = [0; SIZE];
    for (at, value) in [
        (0, FLAGS),
        (4, lower as u32),
        (8, upper),
        (16, command_line as u32),
        (20, options.modules.len() as u32),
        (24, module_list as u32),
        (44, ranges.len() as u32),
        (48, range_list as u32),
        (64, loader_name as u32),
    ] {
        if let Some(field) = info.get_mut(at..at + 4) {
            field.copy_from_slice(&value.to_le_bytes());
        }
    }
    let info = placement.put_low(ram, "the Multiboot information", &info)?;
    Ok(info as u32)
}
