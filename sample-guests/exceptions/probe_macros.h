/* probe "title", kind starts a probe and its row in the table; `here` marks the instruction that
   should raise the exception. A numeric label refers to its next definition: 97 is the
   title, 98 the start, 99 the marked instruction. */
#include "probe_kinds.h"

    .intel_syntax noprefix

    .macro probe title, kind=0
    .pushsection .rodata.probe_table, "a"
    .quad 97f, 98f, 99f, \kind
    .popsection
    .pushsection .rodata
97: .asciz "\title"
    .popsection
98:
    .endm

    .macro here
99:
    .endm
