/* The privileged operations table: everything a guest kernel must not do by itself.

   Two implementations stand behind it. native.c uses the instructions and ports of a
   bare PC; xen.c asks a hypervisor. Read one entry in both files and you have seen
   paravirtualization: same meaning, another doorway. (Linux calls its table pv_ops.) */
#pragma once

#include "traps.h"
#include "types.h"

struct address_space;

struct privileged_operations {
    const char *name; /* "native instructions" or "Xen hypercalls" */

    /* Selectors, for trap frames built by hand. */
    u64 kernel_code, kernel_stack, user_code, user_stack;

    /* The kernel shares ring 3 with its processes, so their page tables must not map it. */
    bool kernel_in_user_ring;

    /* Console. console_read answers -1 when nothing was typed; console_wait idles until
       something was, and returns with interrupts on. */
    void (*console_write)(const char *text, size_t length);
    int (*console_read)(void);
    void (*console_wait)(void);

    /* Traps. `ring` is the outermost ring that may raise `vector` with INT n. */
    void (*set_trap_gate)(unsigned vector, unsigned ring);
    u64 (*fault_address)(void);

    /* Interrupts. idle() enables them and waits for one, with no gap between the two. */
    void (*interrupts_on)(void);
    void (*interrupts_off)(void);
    void (*idle)(void);

    /* Periodic timer. `handler` runs on each tick with interrupts off.
       timer_pending says whether a tick waits for interrupts to be enabled. */
    void (*timer_start)(unsigned hertz, trap_handler handler);
    void (*timer_stop)(void);
    bool (*timer_pending)(void);

    /* Page tables. Entries hold what the paging hardware wants: guest-physical addresses
       on a bare PC, machine addresses under Xen. entry_for and entry_target convert.
       A zeroed page must be adopted before an entry refers to it as a table, and released
       before it serves for something else: roots first, when no CPU uses them any more. */
    u64 (*entry_for)(u64 physical, u64 flags);
    u64 (*entry_target)(u64 entry);
    void (*adopt_table)(void *page, unsigned level);
    void (*release_table)(void *page, unsigned level);
    void (*set_entry)(u64 *entry, u64 value);
    void (*forget_page)(u64 linear);

    /* Batches. From batch(true) to batch(false), set_entry and forget_page may put their work off
       and do it together; afterwards all is done. No tables are adopted or released in between.
       (Linux calls this the lazy MMU mode.) */
    void (*batch)(bool on);

    u64 *(*root_table)(void);
    void (*use_address_space)(const struct address_space *space);

    /* Ring 3: where traps from it find their stack, and who serves SYSCALL. */
    void (*set_kernel_stack)(u64 top);
    void (*system_calls_start)(void);

    /* A visit to whoever stands behind the devices: answers at once, always the same, changes
       nothing. visit_often makes `count` visits through the doorway once, if that's possible. */
    u8 (*visit)(void);
    void (*visit_often)(u8 *answers, unsigned count);

    /* The end. `value` 0 means success. */
    void (*shutdown)(u32 value) __attribute__((noreturn));
    void (*reboot)(void) __attribute__((noreturn));
};

extern const struct privileged_operations *privileged;
extern const struct privileged_operations native_operations;
