/* Reads lines, splits them into words, runs commands. */
#include "shell.h"

#include "console.h"
#include "privileged.h"
#include "text.h"

#define HERTZ 100

volatile unsigned ticks;

static void tick(struct trap_frame *frame)
{
    (void)frame;
    ticks++;
}

static unsigned split(char *line, char **words, unsigned capacity)
{
    unsigned count = 0;
    while (*line) {
        if (*line == ' ') {
            *line++ = 0;
            continue;
        }
        if (count < capacity)
            words[count++] = line;
        while (*line && *line != ' ')
            line++;
    }
    return count;
}

static void run(unsigned count, char **words)
{
    for (unsigned i = 0; i < command_count; i++)
        if (text_equal(words[0], commands[i].name)) {
            commands[i].run(count, words);
            return;
        }
    print("unknown command: %s (try help)\n", words[0]);
}

int main(void)
{
    print("A shell in the kernel. Type help.\n");
    privileged->timer_start(HERTZ, tick);
    privileged->interrupts_on();
    for (;;) {
        char line[80];
        char *words[16];
        print("> ");
        read_line(line, sizeof line);
        unsigned count = split(line, words, LENGTH(words));
        if (count)
            run(count, words);
    }
}
