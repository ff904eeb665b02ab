//! `hvm_start_info` version 1: what a PVH guest finds at the address in EBX.
//!
//! ```text
//! hvm_start_info (56 bytes)                 module (32)       memory range (24)
//!  0 magic           32 rsdp_paddr           0 paddr           0 addr
//!  4 version         40 memmap_paddr         8 size            8 size
//!  8 flags           48 memmap_entries      16 cmdline_paddr  16 type
//! 12 nr_modules      52 reserved            24 reserved       20 reserved
//! 16 modlist_paddr
//! 24 cmdline_paddr
//! ```
//!
//! Source: `xen/include/public/arch-x86/hvm/start_info.h`.

use paravane_cpu::Ram;

use super::super::error::LoadError;
use super::LoadOptions;
use super::placement::{Placement, memory_map};

const MAGIC: u32 = 0x336E_C578;
const VERSION: u32 = 1;
const MODULE_SIZE: usize = 32;

/// Writes the structure and all that it points to, and returns its address. There is no ACPI, so
/// the address of its root pointer is 0.
pub fn write(
    ram: &mut Ram,
    placement: &mut Placement<'_>,
    options: &LoadOptions,
) -> Result<u32, LoadError> {
    let mut modules = Vec::with_capacity(options.modules.len() * MODULE_SIZE);
    for module in &options.modules {
        let address = placement.put_high(ram, "a module", &module.bytes)?;
        let name = placement.put_string(ram, "a module's name", &module.name)?;
        for field in [address, module.bytes.len() as u64, name, 0] {
            modules.extend(field.to_le_bytes());
        }
    }
    let module_list = match modules.is_empty() {
        true => 0,
        false => placement.put_low(ram, "the module list", &modules)?,
    };
    let command_line = placement.put_string(ram, "the command line", &options.command_line)?;

    let map = memory_map(placement.ram_size());
    let mut ranges = Vec::new();
    for range in &map {
        ranges.extend(range.address.to_le_bytes());
        ranges.extend(range.size.to_le_bytes());
        ranges.extend(u64::from(range.kind).to_le_bytes());
    }
    let ranges = placement.put_low(ram, "the memory map", &ranges)?;

    let mut info = Vec::new();
    for field in [MAGIC, VERSION, 0, options.modules.len() as u32] {
        info.extend(field.to_le_bytes());
    }
    for field in [module_list, command_line, 0, ranges, map.len() as u64] {
        info.extend(field.to_le_bytes());
    }
    let info = placement.put_low(ram, "the start information", &info)?;
    Ok(info as u32)
}
