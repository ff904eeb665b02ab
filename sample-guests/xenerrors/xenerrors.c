/* Asks Xen for what it must refuse, and prints the error codes. */
#include "console.h"
#include "pages.h"
#include "privileged.h"
#include "xen.h"

extern u8 xen_hypercall_page[128][32];

static long call(unsigned number, u64 a, u64 b, u64 c, u64 d)
{
    long result;
    register u64 fourth asm("r10") = d;
    asm volatile("call %[stub]"
                 : "=a"(result), "+D"(a), "+S"(b), "+d"(c), "+r"(fourth)
                 : [stub] "r"(xen_hypercall_page[number])
                 : "rcx", "r11", "r8", "memory");
    return result;
}

static u64 frame_of(const void *page) { return privileged->entry_for((u64)page, 0) / PAGE_SIZE; }
static u64 machine(const void *page) { return privileged->entry_for((u64)page, 0); }

static void show(const char *what, long result) { print("%-58s %d\n", what, (int)result); }

static long update_to(u64 pointer, u64 value, u64 domain)
{
    struct xen_mmu_update update = {pointer, value};
    return call(HYPERCALL_MMU_UPDATE, (u64)&update, 1, 0, domain);
}

static long update(u64 pointer, u64 value) { return update_to(pointer, value, DOMAIN_SELF); }

static long extended(u32 command, u64 first, u64 second)
{
    struct xen_mmuext operation = {.command = command, .frame_or_address = first, .count = second};
    return call(HYPERCALL_MMUEXT_OP, (u64)&operation, 1, 0, DOMAIN_SELF);
}

static long map(const void *page, u64 entry) { return call(HYPERCALL_UPDATE_VA_MAPPING, (u64)page, entry, 2, 0); }

#define P ENTRY_PRESENT
#define W ENTRY_WRITABLE
#define U ENTRY_USER
#define PIN(level) ((level) - 1)
#define UNPIN 4
#define NEW_USER_BASEPTR MMUEXT_NEW_USER_BASEPTR

/* Makes a page read-only for us, so that it may become a table. */
static u64 *table(void)
{
    u64 *page = frame_take();
    if (map(page, machine(page) | P))
        panic("a page can't be made read-only");
    return page;
}

static void direct_paging(void)
{
    u64 *plain = frame_take(), *l1 = table(), *l2 = table(), *l3 = table(), *l4 = table();
    u64 *root = privileged->root_table();
    u64 *root3 = (u64 *)privileged->entry_target(root[0]);
    u64 *root2 = (u64 *)privileged->entry_target(root3[0]);
    u64 *root1 = (u64 *)privileged->entry_target(root2[0]);

    print("Mappings\n");
    show("map one's own root table writable", map(plain, machine(root) | P | W));
    show("map one's own level 1 table writable", map(plain, machine(root1) | P | W));
    show("map it read-only", map(plain, machine(root1) | P));
    show("map plain memory again", map(plain, machine(plain) | P | W));
    show("update_va_mapping of Xen's own address", call(HYPERCALL_UPDATE_VA_MAPPING, 0xffff820000000000, machine(plain) | P, 2, 0));
    show("update_va_mapping of a non-canonical address", call(HYPERCALL_UPDATE_VA_MAPPING, 0x0000900000000000, machine(plain) | P, 2, 0));
    show("update_va_mapping where no level 1 table is", call(HYPERCALL_UPDATE_VA_MAPPING, 0x0000700000000000, machine(plain) | P, 2, 0));

    print("Pinning\n");
    show("pin a page that is mapped writable", extended(PIN(1), frame_of(plain), 0));
    show("pin a frame that does not exist", extended(PIN(4), 0xfffffffff, 0));
    show("unpin what is not pinned", extended(UNPIN, frame_of(l1), 0));
    show("unpin a frame that does not exist", extended(UNPIN, 0xfffffffff, 0));
    show("pin an empty page as level 1", extended(PIN(1), frame_of(l1), 0));
    show("pin it again", extended(PIN(1), frame_of(l1), 0));
    show("pin it as level 2, too", extended(PIN(2), frame_of(l1), 0));
    show("map it writable while it is pinned", map(l1, machine(l1) | P | W));
    show("map it read-only while it is pinned", map(l1, machine(l1) | P));

    print("Updates of a level 1 table\n");
    show("an entry for plain memory", update(machine(l1), machine(plain) | P | W));
    show("an entry for the table itself, writable", update(machine(l1) + 8, machine(l1) | P | W));
    show("an entry for the table itself, read-only", update(machine(l1) + 8, machine(l1) | P));
    show("an entry that is not present, of any bits", update(machine(l1) + 16, 0xfffffffffffff000));
    show("the same entry with another protection", update(machine(l1), machine(plain) | P));
    show("back to writable", update(machine(l1), machine(plain) | P | W));
    show("with an unknown command in the address", update(machine(l1) + 4, 0));
    show("with the address of no frame", update(0xfffffffffff000, 0));
    show("with A and D preserved", update(machine(l1) + 2, machine(plain) | P | W));
    show("for another domain's number", update_to(machine(l1), 0, 1234));
    show("machine-to-physical of a frame of our own", update(machine(plain) + 1, (u64)plain / PAGE_SIZE));
    show("machine-to-physical of no frame", update(0xfffffffffff001, 7));
    show("an update of plain memory that nobody maps as table", update(machine(plain) + 24, 0x1234));
    show("what it wrote", (long)plain[3]);

    print("Updates of level 2\n");
    show("pin level 2", extended(PIN(2), frame_of(l2), 0));
    show("an entry for the level 1 table", update(machine(l2), machine(l1) | P | W | U));
    show("an entry for plain memory that is mapped writable", update(machine(l2) + 8, machine(plain) | P | W | U));
    show("an entry for a large page", update(machine(l2) + 8, machine(plain) | P | W | U | ENTRY_LARGE));
    show("an entry with the global bit", update(machine(l2) + 8, machine(l1) | P | W | U | ENTRY_GLOBAL));
    show("an entry for itself, writable", update(machine(l2) + 16, machine(l2) | P | W | U));
    show("an entry for itself, read-only", update(machine(l2) + 16, machine(l2) | P | U));
    show("an entry for another table of level 2, read-only", update(machine(l2) + 24, machine(root2) | P | U));
    show("the same, writable", update(machine(l2) + 32, machine(root2) | P | W | U));
    show("an entry for a table of level 3", update(machine(l2) + 40, machine(root3) | P | U));

    print("Levels 3 and 4\n");
    show("pin an empty level 4", extended(PIN(4), frame_of(l4), 0));
    show("pin level 3", extended(PIN(3), frame_of(l3), 0));
    show("level 3: an entry for level 2", update(machine(l3), machine(l2) | P | W | U));
    show("level 3: an entry for level 1", update(machine(l3) + 8, machine(l1) | P | W | U));
    show("level 3: an entry for itself, read-only", update(machine(l3) + 16, machine(l3) | P | U));
    show("level 4: an entry for level 3", update(machine(l4), machine(l3) | P | W | U));
    show("level 4: an entry for itself, writable", update(machine(l4) + 8 * 300, machine(l4) | P | W | U));
    show("level 4: an entry for itself, read-only", update(machine(l4) + 8 * 300, machine(l4) | P | U));
    show("level 4: an entry in Xen's slots", update(machine(l4) + 8 * 256, machine(l3) | P | W | U));
    show("level 4: an empty entry in Xen's slots", update(machine(l4) + 8 * 271, 0));
    show("level 4: the slot behind Xen's", update(machine(l4) + 8 * 272, machine(l3) | P | W | U));
    show("level 4: an entry for level 2", update(machine(l4) + 8, machine(l2) | P | W | U));
    show("use a level 3 table as root for programs", extended(NEW_USER_BASEPTR, frame_of(l3), 0));
    show("use plain memory as root", extended(MMUEXT_NEW_BASEPTR, frame_of(plain), 0));
    show("use the level 4 table as root for programs", extended(NEW_USER_BASEPTR, frame_of(l4), 0));
    show("no root for programs", extended(NEW_USER_BASEPTR, 0, 0));

    print("The way back\n");
    show("unpin level 4", extended(UNPIN, frame_of(l4), 0));
    show("map it writable", map(l4, machine(l4) | P | W));
    show("unpin level 3", extended(UNPIN, frame_of(l3), 0));
    show("map it writable", map(l3, machine(l3) | P | W));
    show("unpin level 1, which level 2 still uses", extended(UNPIN, frame_of(l1), 0));
    show("map it writable", map(l1, machine(l1) | P | W));
    show("unpin level 2", extended(UNPIN, frame_of(l2), 0));
    show("map level 2 writable", map(l2, machine(l2) | P | W));
    show("map level 1 writable", map(l1, machine(l1) | P | W));
}

/* Tables that Xen must refuse as a whole. */
static void bad_tables(void)
{
    print("Tables with one bad entry\n");
    u64 *bad = frame_take(), *plain = frame_take();
    static const struct {
        const char *what;
        u64 flags;
        bool own;
        unsigned level;
    } kinds[] = {
        {"level 1 that maps its own root writable", P | W, true, 1},
        {"level 2 with plain memory", P | W | U, false, 2},
        {"level 2 with a large page", P | W | U | ENTRY_LARGE, false, 2},
        {"level 3 with plain memory", P | W | U, false, 3},
        {"level 4 with plain memory", P | W | U, false, 4},
    };
    for (unsigned i = 0; i < LENGTH(kinds); i++) {
        if (map(bad, machine(bad) | P | W))
            panic("the page did not become plain memory again");
        bad[7] = machine(plain) | P | W | (kinds[i].level > 1 ? U : 0);
        if (kinds[i].level > 1)
            bad[7] = 0;
        bad[9] = (kinds[i].own ? machine(privileged->root_table()) : machine(plain)) | kinds[i].flags;
        map(bad, machine(bad) | P);
        long result = extended(PIN(kinds[i].level), frame_of(bad), 0);
        show(kinds[i].what, result);
    }
    show("it is plain memory afterwards", map(bad, machine(bad) | P | W));
}

static void batches(void)
{
    print("Batches\n");
    u64 *l1 = table(), *plain = frame_take();
    extended(PIN(1), frame_of(l1), 0);
    struct xen_mmu_update list[3] = {
        {machine(l1), machine(plain) | P},
        {machine(l1) + 8, machine(l1) | P | W},
        {machine(l1) + 16, machine(plain) | P},
    };
    u32 done = 77;
    show("three updates of which the second is refused", call(HYPERCALL_MMU_UPDATE, (u64)list, 3, (u64)&done, DOMAIN_SELF));
    show("how many were done", done);
    show("the first took effect", l1[0] != 0);
    show("the third did not", l1[2] != 0);
    show("a list in Xen's memory", call(HYPERCALL_MMU_UPDATE, 0xffff820000000000, 1, 0, DOMAIN_SELF));
    show("a list at an unmapped address", call(HYPERCALL_MMU_UPDATE, 0x0000700000000000, 1, 0, DOMAIN_SELF));
    show("an empty list", call(HYPERCALL_MMU_UPDATE, 0, 0, 0, DOMAIN_SELF));
    show("mmuext_op with an unknown command", extended(99, 0, 0));
    show("mmuext_op: a super page", extended(19, 0, 0));
    show("mmuext_op: invalidate a page of Xen's", extended(7, 0xffff820000000000, 0));
    show("mmuext_op: clear plain memory", extended(16, frame_of(plain), 0));
    show("mmuext_op: clear a page table", extended(16, frame_of(l1), 0));
    show("mmuext_op: copy to a page table", extended(17, frame_of(l1), frame_of(plain)));
    show("mmuext_op: copy a page table to plain memory", extended(17, frame_of(plain), frame_of(l1)));

    struct {
        u64 number, result, arguments[6];
    } calls[3] = {
        {17, 0, {0}},
        {63, 0, {0}},
        {14, 0, {(u64)plain, machine(l1) | P | W, 0}},
    };
    show("multicall of three", call(13, (u64)calls, 3, 0, 0));
    show("the first: xen_version", (long)calls[0].result >= 0x40000);
    show("the second: no such call", (long)calls[1].result);
    show("the third: a mapping that is refused", (long)calls[2].result);
    extended(UNPIN, frame_of(l1), 0);
}

static void descriptors(void)
{
    print("Descriptors\n");
    static u64 table_page[512] __attribute__((aligned(4096)));
    u64 *descriptors = table_page;
    u64 frame = frame_of(descriptors);
    const u64 data = 0x00cff2000000ffff, ring_0 = 0x00cf92000000ffff, interrupt_gate = 0x00008e0000300000, ldt = 0x0000820000000000;
    show("set_gdt with a writable page", call(2, (u64)&frame, 16, 0, 0));
    show("update_descriptor in a writable page", call(10, machine(descriptors) + 8, data, 0, 0));
    show("update_descriptor, not aligned", call(10, machine(descriptors) + 4, data, 0, 0));
    show("update_descriptor of no frame", call(10, 0xfffffffffff000, data, 0, 0));
    show("update_descriptor: an interrupt gate", call(10, machine(descriptors) + 8, interrupt_gate, 0, 0));
    show("update_descriptor: a local table", call(10, machine(descriptors) + 8, ldt, 0, 0));
    show("update_descriptor: data of ring 0", call(10, machine(descriptors) + 16, ring_0, 0, 0));
    print("what became of it: 0x%lx\n", descriptors[2]);
    map(descriptors, machine(descriptors) | P);
    show("set_gdt with a read-only page", call(2, (u64)&frame, 16, 0, 0));
    show("map it writable", map(descriptors, machine(descriptors) | P | W));
    show("update_descriptor in it", call(10, machine(descriptors) + 24, data, 0, 0));
    show("update it by mmu_update", update(machine(descriptors) + 24, 0));
    show("set_gdt with too many entries", call(2, (u64)&frame, 7169, 0, 0));
    show("set_gdt with a list at an unmapped address", call(2, 0x0000700000000000, 16, 0, 0));
    show("set_gdt with no frame", call(2, (u64)(u64[]){0xfffffffff}, 16, 0, 0));
    show("set_gdt with no entries", call(2, 0, 0, 0, 0));
    show("map the page writable again", map(descriptors, machine(descriptors) | P | W));
    show("SET_LDT, not aligned", extended(13, (u64)descriptors + 8, 16));
    show("SET_LDT, too long", extended(13, (u64)descriptors, 8193));
    show("SET_LDT in Xen's memory", extended(13, 0xffff820000000000, 16));
    show("SET_LDT", extended(13, (u64)descriptors, 16));
    show("SET_LDT of nothing", extended(13, 0, 0));
}

static void others(void)
{
    print("Other calls\n");
    struct xen_trap_info traps[2] = {{.vector = 200, .flags = 3, .selector = XEN_USER_CODE, .address = 0x0000900000000000}};
    show("set_trap_table with a non-canonical handler", call(0, (u64)traps, 0, 0, 0));
    show("set_trap_table at an unmapped address", call(0, 0x0000700000000000, 0, 0, 0));
    struct xen_callback callback = {.type = 0, .flags = 0, .address = 0x0000900000000000};
    show("callback_op: a non-canonical address", call(30, 0, (u64)&callback, 0, 0));
    callback = (struct xen_callback){.type = 3, .address = 0x1000};
    show("callback_op: an unknown type", call(30, 0, (u64)&callback, 0, 0));
    show("callback_op: unregister the event callback", call(30, 1, (u64)(u32[]){0}, 0, 0));
    show("callback_op: an unknown command", call(30, 9, (u64)&callback, 0, 0));
    show("set_segment_base: an unknown one", call(25, 9, 0, 0, 0));
    show("set_segment_base: not canonical", call(25, 0, 0x0000900000000000, 0, 0));
    show("set_segment_base: FS", call(25, 0, 0x1000, 0, 0));
    show("set_debugreg: DR0 in Xen", call(8, 0, 0xffff820000000000, 0, 0));
    show("set_debugreg: DR0", call(8, 0, 0x1000, 0, 0));
    show("get_debugreg: DR0", call(9, 0, 0, 0, 0));
    show("set_debugreg: DR9", call(8, 9, 0, 0, 0));
    show("get_debugreg: DR9", call(9, 9, 0, 0, 0));
    show("fpu_taskswitch", call(5, 0, 0, 0, 0));
    show("vm_assist: an unknown type", call(21, 0, 60, 0, 0));
    show("vm_assist: an unknown command", call(21, 9, 0, 0, 0));
    show("vm_assist: writable page tables, off", call(21, 1, 2, 0, 0));
    show("vcpu_op: is vCPU 0 up", call(24, 3, 0, 0, 0));
    show("vcpu_op: is vCPU 9999 up", call(24, 3, 9999, 0, 0));
    show("vcpu_op: an unknown command", call(24, 99, 0, 0, 0));
    show("vcpu_op: a period that is too short", call(24, 6, 0, (u64)(u64[]){1000}, 0));
    show("vcpu_op: vcpu_info that does not fit", call(24, 10, 0, (u64)(u64[]){0, 4090}, 0));
    show("sched_op: yield", call(29, 0, 0, 0, 0));
    show("sched_op: an unknown command", call(29, 99, 0, 0, 0));
    show("sched_op: poll too many ports", call(29, 3, (u64)(u64[]){0, 200, 0}, 0, 0));
    show("sched_op: poll a port that is too large", call(29, 3, (u64)(u64[]){(u64)(u32[]){1U << 30}, 1, 0}, 0, 0));
    show("event_channel_op: an unknown command", call(32, 99, 0, 0, 0));
    show("event_channel_op: close a port that is not open", call(32, 3, (u64)(u32[]){900}, 0, 0));
    show("event_channel_op: send to one", call(32, 4, (u64)(u32[]){900}, 0, 0));
    show("event_channel_op: unmask one", call(32, 9, (u64)(u32[]){900}, 0, 0));
    show("event_channel_op: bind a VIRQ that does not exist", call(32, 1, (u64)(u32[]){99, 0, 0}, 0, 0));
    show("event_channel_op: bind VIRQ 1 on vCPU 9", call(32, 1, (u64)(u32[]){1, 9, 0}, 0, 0));
    u32 bind[3] = {1, 0, 0};
    show("event_channel_op: bind VIRQ 1", call(32, 1, (u64)bind, 0, 0));
    show("event_channel_op: bind it again", call(32, 1, (u64)(u32[]){1, 0, 0}, 0, 0));
    show("event_channel_op: send to it", call(32, 4, (u64)&bind[2], 0, 0));
    show("event_channel_op: close it", call(32, 3, (u64)&bind[2], 0, 0));
    show("event_channel_op: an IPI on vCPU 9", call(32, 7, (u64)(u32[]){9, 0}, 0, 0));
    u32 ipi[2] = {0, 0};
    show("event_channel_op: an IPI", call(32, 7, (u64)ipi, 0, 0));
    show("event_channel_op: send it", call(32, 4, (u64)&ipi[1], 0, 0));
    show("event_channel_op: bind it elsewhere", call(32, 8, (u64)(u32[]){ipi[1], 0}, 0, 0));
    show("event_channel_op: close it", call(32, 3, (u64)&ipi[1], 0, 0));
    show("xen_version: an unknown command", call(17, 99, 0, 0, 0));
    show("xen_version: features at an unmapped address", call(17, 6, 0x0000700000000000, 0, 0));
    show("xen_version: page size", call(17, 7, 0, 0, 0));
    show("memory_op: an unknown command", call(12, 60, 0, 0, 0));
    show("memory_op: reservation of an unknown domain", call(12, 3, (u64)(u16[]){1234}, 0, 0));
    show("console_io: an unknown command", call(18, 99, 0, 0, 0));
    show("console_io: from an unmapped address", call(18, 0, 8, 0x0000700000000000, 0));
    show("physdev_op: I/O privilege level 4", call(33, 6, (u64)(u32[]){4}, 0, 0));
    show("physdev_op: I/O privilege level 1", call(33, 6, (u64)(u32[]){1}, 0, 0));
    show("grant_table_op: an unknown command", call(20, 99, 0, 0, 0));
    show("nmi_op: an unknown command", call(28, 99, 0, 0, 0));
    show("a call that does not exist: 11 with no arguments", call(63, 0, 0, 0, 0));
    show("stack_switch", call(3, XEN_STACK, 0x1000, 0, 0));
}

int main(void)
{
    direct_paging();
    bad_tables();
    batches();
    descriptors();
    others();
    print("Xen is still there.\n");
    return 0;
}
