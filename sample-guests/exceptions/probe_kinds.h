/* How a probe runs, for C and assembler. Nothing: in ring 0. */
#define RING3 1
#define ALIGNMENT_CHECK 2 /* with CR0.AM and RFLAGS.AC set */
#define UNCOMPARED 4      /* QEMU's TCG gets it wrong: its line is marked "~ " */
