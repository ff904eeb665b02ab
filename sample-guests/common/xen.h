/* The part of Xen's paravirtual interface that xen.c uses. Source: xen/include/public/. */
#pragma once

#include "types.h"

enum hypercall {
    HYPERCALL_SET_TRAP_TABLE = 0,
    HYPERCALL_MMU_UPDATE = 1,
    HYPERCALL_STACK_SWITCH = 3,
    HYPERCALL_MULTICALL = 13,
    HYPERCALL_UPDATE_VA_MAPPING = 14,
    HYPERCALL_SET_TIMER_OP = 15,
    HYPERCALL_XEN_VERSION = 17,
    HYPERCALL_CONSOLE_IO = 18,
    HYPERCALL_VCPU_OP = 24,
    HYPERCALL_MMUEXT_OP = 26,
    HYPERCALL_SCHED_OP = 29,
    HYPERCALL_CALLBACK_OP = 30,
    HYPERCALL_EVENT_CHANNEL_OP = 32,
};

#define DOMAIN_SELF 0x7ff0
#define MACHINE_TO_PHYSICAL ((const u64 *)0xffff800000000000) /* indexed by machine frame number */

/* Flat segments that Xen keeps in every domain's GDT. Ring bits 0 in a frame mean "the
   guest's kernel", although its real ring is 3, too. */
#define XEN_KERNEL_CODE 0xe030
#define XEN_USER_CODE 0xe033
#define XEN_STACK 0xe02b

struct xen_start_info {
    char magic[32];
    u64 page_count;
    u64 shared_info; /* machine address */
    u32 flags, padding;
    u64 store_frame;
    u32 store_event, padding2;
    u64 console_frame;
    u32 console_event, padding3;
    u64 root_table;
    u64 table_count;
    u64 frame_list; /* u64[page_count]: machine frame of each of our frames */
    u64 module, module_length;
    char command_line[1024];
};

struct xen_time {
    u32 version, padding;
    u64 tsc_then;    /* the TSC when `time_then` was taken */
    u64 time_then;   /* nanoseconds since Xen started */
    u32 multiplier;  /* ns = (ticks << shift) * multiplier >> 32 */
    signed char shift;
    u8 flags, padding2[2];
};

struct xen_vcpu_info {
    u8 upcall_pending, upcall_mask; /* the paravirtual interrupt flag: 1 means off */
    u64 pending_words;              /* which words of event_pending have a bit set */
    u64 fault_address, padding;
    struct xen_time time;
};

struct xen_shared_info {
    struct xen_vcpu_info vcpus[32];
    u64 event_pending[64];
    u64 event_mask[64];
};

struct xen_trap_info {
    u8 vector, flags; /* ring | 4: mask events */
    u16 selector;
    u64 address;
};

struct xen_mmu_update {
    u64 entry, value; /* machine address of the entry */
};

struct xen_mmuext {
    u32 command, padding;
    u64 frame_or_address;
    u64 count;
};

#define MMUEXT_PIN_L4 3
#define MMUEXT_UNPIN 4
#define MMUEXT_NEW_BASEPTR 5
#define MMUEXT_FLUSH_TLB 6
#define MMUEXT_INVALIDATE_PAGE 7
#define MMUEXT_NEW_USER_BASEPTR 15

#define UPDATE_INVALIDATE_PAGE 2

/* One of many hypercalls that go through the doorway together. */
struct xen_call {
    u64 number;
    long result;
    u64 arguments[6];
};

struct xen_callback {
    u16 type, flags;
    u64 address;
};

#define CALLBACK_EVENT 0
#define CALLBACK_SYSCALL 2
#define CALLBACK_MASK_EVENTS 1

struct xen_bind_virq {
    u32 virq, vcpu, port;
};

#define EVENT_BIND_VIRQ 1
#define EVENT_UNMASK 9
#define VIRQ_TIMER 0
#define VIRQ_CONSOLE 2

#define SCHEDULE_BLOCK 1
#define SCHEDULE_SHUTDOWN 2
#define SHUTDOWN_POWER_OFF 0
#define SHUTDOWN_REBOOT 1
#define SHUTDOWN_CRASH 3

#define CONSOLE_WRITE 0
#define CONSOLE_READ 1
#define VCPU_STOP_PERIODIC_TIMER 7
