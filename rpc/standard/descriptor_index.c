#include "rpc/standard/descriptor_index.h"

#include "core/base/arena.h"

#include <stdlib.h>

/* A descriptor is itself a protobuf message. What is needed of it are names at
 * known places, so a walker over fields is enough; field numbers are those of
 * google/protobuf/descriptor.proto. */

enum { INDEX_BYTES_MAX = 64 << 20 };

enum { SET_FILE = 1 };
enum {
    FILE_NAME = 1,
    FILE_PACKAGE = 2,
    FILE_IMPORT = 3,
    FILE_MESSAGE = 4,
    FILE_ENUM = 5,
    FILE_SERVICE = 6,
    FILE_EXTENSION = 7
};
enum {
    MESSAGE_NAME = 1,
    MESSAGE_FIELD = 2,
    MESSAGE_NESTED = 3,
    MESSAGE_ENUM = 4,
    MESSAGE_EXTENSION = 6,
    MESSAGE_ONEOF = 8
};
enum { NAME = 1 }; /* of a field, an enum, a value, a service, a method */
enum { ENUM_VALUE = 2, SERVICE_METHOD = 2 };

struct symbol {
    struct bytes name;
    size_t file;
};

struct descriptor_index {
    struct arena *arena;
    struct descriptor_file *files;
    size_t file_count;
    struct symbol *symbols; /* sorted by name */
    size_t symbol_count, symbol_room;
    bool broken; /* does not parse, or memory is out */
};

/* ---- Walking over fields. ---- */

struct walk {
    struct bytes rest;
    bool broken;
    uint64_t number;
    struct bytes value; /* of a field with a length */
};

static bool read_varint(struct walk *walk, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 64 && walk->rest.size > 0; shift += 7) {
        uint8_t byte = walk->rest.data[0];
        walk->rest = bytes_of(walk->rest.data + 1, walk->rest.size - 1);
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0)
            return true;
    }
    walk->broken = true;
    return false;
}

static bool take(struct walk *walk, uint64_t size)
{
    if (size > walk->rest.size) {
        walk->broken = true;
        return false;
    }
    walk->value = bytes_of(walk->rest.data, (size_t)size);
    walk->rest = bytes_of(walk->rest.data + size, walk->rest.size - (size_t)size);
    return true;
}

/* The next field that has a length; others are passed over. */
static bool next_field(struct walk *walk)
{
    uint64_t tag, ignored;

    while (walk->rest.size > 0 && read_varint(walk, &tag)) {
        uint64_t size = 0;
        walk->number = tag >> 3;
        switch (tag & 7) {
        case 0:
            if (!read_varint(walk, &ignored))
                return false;
            continue;
        case 1:
            size = 8;
            break;
        case 5:
            size = 4;
            break;
        case 2:
            if (!read_varint(walk, &size))
                return false;
            return take(walk, size);
        default:
            walk->broken = true;
            return false;
        }
        if (!take(walk, size))
            return false;
    }
    return false;
}

static struct bytes first(struct bytes message, uint64_t number)
{
    struct walk walk = { .rest = message };

    while (next_field(&walk))
        if (walk.number == number)
            return walk.value;
    return bytes_of(NULL, 0);
}

/* ---- Filling the index. ---- */

static struct bytes join(struct descriptor_index *index, struct bytes scope, struct bytes name)
{
    uint8_t *joined;

    if (scope.size == 0)
        return name;
    joined = arena_alloc(index->arena, scope.size + 1 + name.size);
    if (joined == NULL) {
        index->broken = true;
        return name;
    }
    memcpy(joined, scope.data, scope.size);
    joined[scope.size] = '.';
    if (name.size > 0)
        memcpy(joined + scope.size + 1, name.data, name.size);
    return bytes_of(joined, scope.size + 1 + name.size);
}

/* Gives the full name. */
static struct bytes add_symbol(struct descriptor_index *index, size_t file, struct bytes scope,
                               struct bytes declaration)
{
    struct bytes name = join(index, scope, first(declaration, NAME));

    if (index->symbol_count == index->symbol_room) {
        size_t room = index->symbol_room > 0 ? index->symbol_room * 2 : 256;
        struct symbol *symbols = realloc(index->symbols, room * sizeof *symbols);
        if (symbols == NULL) {
            index->broken = true;
            return name;
        }
        index->symbols = symbols;
        index->symbol_room = room;
    }
    index->symbols[index->symbol_count++] = (struct symbol){ name, file };
    return name;
}

/* A declaration and what it declares in field `member`: values are named beside
 * their enum, methods inside their service. */
static void add_enum(struct descriptor_index *index, size_t file, struct bytes scope,
                     struct bytes declaration)
{
    struct walk walk = { .rest = declaration };

    add_symbol(index, file, scope, declaration);
    while (next_field(&walk))
        if (walk.number == ENUM_VALUE)
            add_symbol(index, file, scope, walk.value);
    index->broken |= walk.broken;
}

static void add_service(struct descriptor_index *index, size_t file, struct bytes scope,
                        struct bytes declaration)
{
    struct bytes name = add_symbol(index, file, scope, declaration);
    struct walk walk = { .rest = declaration };

    while (next_field(&walk))
        if (walk.number == SERVICE_METHOD)
            add_symbol(index, file, name, walk.value);
    index->broken |= walk.broken;
}

static void add_message(struct descriptor_index *index, size_t file, struct bytes scope,
                        struct bytes declaration, unsigned depth)
{
    enum { DEPTH_MAX = 32 };
    struct bytes name = add_symbol(index, file, scope, declaration);
    struct walk walk = { .rest = declaration };

    while (depth < DEPTH_MAX && next_field(&walk)) {
        if (walk.number == MESSAGE_NESTED)
            add_message(index, file, name, walk.value, depth + 1);
        else if (walk.number == MESSAGE_ENUM)
            add_enum(index, file, name, walk.value);
        else if (walk.number == MESSAGE_FIELD || walk.number == MESSAGE_EXTENSION ||
                 walk.number == MESSAGE_ONEOF)
            add_symbol(index, file, name, walk.value);
    }
    index->broken |= walk.broken;
}

static void add_file(struct descriptor_index *index, size_t file)
{
    struct bytes declaration = index->files[file].bytes;
    struct bytes package = first(declaration, FILE_PACKAGE);
    struct walk walk = { .rest = declaration };

    index->files[file].name = first(declaration, FILE_NAME);
    while (next_field(&walk)) {
        if (walk.number == FILE_MESSAGE)
            add_message(index, file, package, walk.value, 0);
        else if (walk.number == FILE_ENUM)
            add_enum(index, file, package, walk.value);
        else if (walk.number == FILE_SERVICE)
            add_service(index, file, package, walk.value);
        else if (walk.number == FILE_EXTENSION)
            add_symbol(index, file, package, walk.value);
    }
    index->broken |= walk.broken;
}

static int compare_symbols(const void *a, const void *b)
{
    return bytes_compare(((const struct symbol *)a)->name, ((const struct symbol *)b)->name);
}

static size_t count_files(struct bytes descriptor_set)
{
    struct walk walk = { .rest = descriptor_set };
    size_t count = 0;

    while (next_field(&walk))
        count += walk.number == SET_FILE;
    return walk.broken ? 0 : count;
}

static void fill(struct descriptor_index *index, struct bytes descriptor_set)
{
    struct walk walk = { .rest = descriptor_set };
    size_t file = 0;

    while (next_field(&walk)) {
        if (walk.number != SET_FILE)
            continue;
        index->files[file].bytes = walk.value;
        add_file(index, file++);
    }
    if (index->symbol_count > 0)
        qsort(index->symbols, index->symbol_count, sizeof *index->symbols, compare_symbols);
}

struct descriptor_index *descriptor_index_new(struct bytes descriptor_set)
{
    struct descriptor_index *index = calloc(1, sizeof *index);

    if (index == NULL)
        return NULL;
    index->arena = arena_new(INDEX_BYTES_MAX);
    index->file_count = count_files(descriptor_set);
    index->files = calloc(index->file_count + 1, sizeof *index->files);
    index->broken = index->arena == NULL || index->files == NULL || index->file_count == 0;
    if (!index->broken)
        fill(index, descriptor_set);
    if (index->broken) {
        descriptor_index_free(index);
        return NULL;
    }
    return index;
}

void descriptor_index_free(struct descriptor_index *index)
{
    if (index == NULL)
        return;
    arena_free(index->arena);
    free(index->files);
    free(index->symbols);
    free(index);
}

/* ---- Asking it. ---- */

size_t descriptor_index_file_count(const struct descriptor_index *index)
{
    return index->file_count;
}

const struct descriptor_file *descriptor_index_file(const struct descriptor_index *index,
                                                    size_t file)
{
    return &index->files[file];
}

int descriptor_index_find_file(const struct descriptor_index *index, struct bytes name)
{
    for (size_t file = 0; file < index->file_count; file++)
        if (bytes_equal(index->files[file].name, name))
            return (int)file;
    return -1;
}

int descriptor_index_find_symbol(const struct descriptor_index *index, struct bytes symbol)
{
    const struct symbol wanted = { .name = symbol };
    const struct symbol *found;

    if (index->symbol_count == 0)
        return -1;
    found = bsearch(&wanted, index->symbols, index->symbol_count, sizeof wanted, compare_symbols);
    return found != NULL ? (int)found->file : -1;
}

int descriptor_index_import(const struct descriptor_index *index, size_t file, size_t nth)
{
    struct walk walk = { .rest = index->files[file].bytes };

    while (next_field(&walk))
        if (walk.number == FILE_IMPORT && nth-- == 0)
            return descriptor_index_find_file(index, walk.value);
    return -1;
}
