#include "measured.h"

#include "console.h"

void report(const char *name, struct measured measured)
{
    print("%-28s %7lu operations, %s\n", name, measured.operations, measured.right ? "right" : "WRONG");
    print("~ result %s %lu cycles\n", name, measured.operations ? measured.cycles / measured.operations : 0);
}
