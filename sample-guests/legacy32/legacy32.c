/* A 32-bit kernel: segments, rings and the two older paging formats, as an x86 of the nineties had
   them. It never enters 64-bit mode. */
#include "console.h"
#include "lessons.h"

int main(void)
{
    print("Protected mode without paging\n");
    segments();
    instructions_of_32_bit_mode();
    rings("no paging");
    two_level_paging();
    rings("two-level paging");
    pae_paging();
    rings("PAE paging");
    print("Done.\n");
    return 0;
}
