/* The first C code: learns what it was started with, chooses the operations, calls main. */
#include "start_info.h"

#include "privileged.h"

const struct privileged_operations *privileged;
struct start_info start_info;

u64 usable_memory(void)
{
    u64 sum = 0;
    for (unsigned i = 0; i < start_info.range_count; i++)
        sum += start_info.ranges[i].usable ? start_info.ranges[i].length : 0;
    return sum;
}

/* xen/include/public/arch-x86/hvm/start_info.h */
struct hvm_start_info {
    u32 magic, version, flags, module_count;
    u64 modules, command_line, rsdp, memory_map; /* memory_map: since version 1 */
    u32 memory_map_entries, reserved;
};

struct hvm_memory_entry {
    u64 base, length;
    u32 type, reserved;
};

#define HVM_START_MAGIC 0x336ec578
#define HVM_MEMORY_USABLE 1

void native_start(void);

/* Called by boot_pvh.S in 64-bit mode, on native page tables. */
void start_pvh(const struct hvm_start_info *hvm)
{
    privileged = &native_operations;
    native_start();

    start_info.way = hvm->magic == HVM_START_MAGIC ? "PVH" : "unknown";
    start_info.command_line = hvm->command_line ? (const char *)hvm->command_line : "";
    const struct hvm_memory_entry *entries = (const void *)hvm->memory_map;
    u32 count = hvm->version >= 1 && entries ? hvm->memory_map_entries : 0;
    for (u32 i = 0; i < count && i < LENGTH(start_info.ranges); i++)
        start_info.ranges[start_info.range_count++] =
            (struct memory_range){entries[i].base, entries[i].length, entries[i].type == HVM_MEMORY_USABLE};

    traps_start();
    privileged->shutdown((u32)main());
}
