/* The commands of the shell: one row each. */
#pragma once

#include "types.h"

struct command {
    const char *name, *arguments, *help;
    void (*run)(unsigned count, char **words); /* words[0] is the command's name */
};

extern const struct command commands[];
extern const unsigned command_count;

/* faults.c: raises the named fault and reports it; without a name, lists them. */
void fault_command(unsigned count, char **words);

/* Ticks of the timer since the start. */
extern volatile unsigned ticks;
