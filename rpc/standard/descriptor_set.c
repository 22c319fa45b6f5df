#include "rpc/standard/descriptor_index.h"

/* The compiler's own bytes, put into the program by the assembler. */

__asm__(".section .rodata\n"
        ".balign 16\n"
        "descriptor_set_begin:\n"
        ".incbin \"" DESCRIPTOR_SET_FILE "\"\n"
        "descriptor_set_end:\n"
        ".byte 0\n"
        ".previous\n");

extern const uint8_t descriptor_set_begin[], descriptor_set_end[];

struct bytes descriptor_set_built_in(void)
{
    return bytes_of(descriptor_set_begin, (size_t)(descriptor_set_end - descriptor_set_begin));
}
