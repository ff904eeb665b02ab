//! `struct start_info`: what the guest is told, at the address in RSI.

use paravane_core::guest_image::{GuestImage, LoadOptions};
use paravane_core::hypervisor::paravirt::Services;

use super::{Memory, PAGE, Plan};
use crate::xen::Xen;

const MAGIC: &[u8] = b"xen-3.0-x86_64";
/// SIF_MOD_START_PFN: `mod_start` is a page number, as the module is not mapped.
const MODULE_BY_PAGE: u32 = 1 << 3;
/// MAX_GUEST_CMDLINE.
const COMMAND_LINE: usize = 1024;

/// Writes it.
pub fn write(
    xen: &Xen,
    plan: &Plan,
    memory: &Memory<'_>,
    image: &GuestImage,
    options: &LoadOptions,
    services: &mut dyn Services,
) {
    let domain = &xen.domain;
    let module = options.modules.first().map_or(0, |module| module.bytes.len() as u64);
    let apart = image.xen_notes().mod_start_pfn.unwrap_or(0) != 0 && module > 0;
    let mut flags = 0;
    if apart {
        flags |= MODULE_BY_PAGE;
    }
    let module_at = match (module, apart) {
        (0, _) => 0,
        (_, true) => plan.module.first,
        (_, false) => plan.linear(plan.module.first),
    };
    // Only a list outside the initial mapping is told by its pages.
    let list = image
        .xen_notes()
        .init_p2m
        .map_or((0, 0), |_| (plan.frame_list.first, plan.frame_list.count));
    let fields = [
        (32, memory.frames.len() as u64),
        (40, domain.shared_info * PAGE),
        (48, flags.into()),
        (56, domain.store_frame),
        (64, domain.store_port.into()),
        (72, domain.console_frame),
        (80, domain.console_port.into()),
        (88, plan.linear(plan.tables.first)),
        (96, plan.tables.count),
        (104, plan.frame_list_at),
        (112, module_at),
        (120, module),
        (1152, list.0),
        (1160, list.1),
    ];
    let at = plan.start_info * PAGE;
    memory.write(services, at, MAGIC);
    for (offset, value) in fields {
        memory.write(services, at + offset, &value.to_le_bytes());
    }
    let line = options.command_line.as_bytes();
    let line = line.get(..line.len().min(COMMAND_LINE - 1)).unwrap_or_default();
    memory.write(services, at + 128, line);
}
