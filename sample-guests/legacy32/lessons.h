/* The lessons, in the order of this guest. */
#pragma once

void segments(void);
void instructions_of_32_bit_mode(void);

/* Rings 1 and 3, gates, ports and pre-emption: the same in every paging mode. */
void rings(const char *paging);

/* Turn paging on, look at it, and leave it on; the second takes over from the first. */
void two_level_paging(void);
void pae_paging(void);
