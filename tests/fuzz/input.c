#include "tests/fuzz/input.h"

struct bytes input_bytes(struct bytes *input, size_t size)
{
    struct bytes taken = *input;

    if (taken.size > size)
        taken.size = size;
    *input = bytes_of(input->data + taken.size, input->size - taken.size);
    return taken;
}

uint64_t input_number(struct bytes *input, size_t size)
{
    struct bytes taken = input_bytes(input, size);
    uint64_t number = 0;

    for (size_t i = 0; i < taken.size; i++)
        number = number << 8 | taken.data[i];
    return number;
}

uint8_t input_byte(struct bytes *input)
{
    return (uint8_t)input_number(input, 1);
}

struct bytes input_block(struct bytes *input)
{
    return input_bytes(input, input_byte(input));
}

struct bytes input_line(struct bytes *input)
{
    const uint8_t *end = input->size > 0 ? memchr(input->data, '\n', input->size) : NULL;
    struct bytes line;

    if (end == NULL)
        return input_bytes(input, input->size);
    line = input_bytes(input, (size_t)(end - input->data));
    input_byte(input);
    return line;
}
