#ifndef RPC_DESCRIPTOR_INDEX_H
#define RPC_DESCRIPTOR_INDEX_H

#include "core/base/bytes.h"

/* What a compiled set of protos contains: its files by name and by the symbols
 * they define. The files are lent as the compiler wrote them, byte for byte. */

struct descriptor_index;

struct descriptor_file {
    struct bytes name;
    struct bytes bytes; /* a FileDescriptorProto */
};

/* descriptor_set: a FileDescriptorSet, borrowed for good. NULL if it does not
 * parse or memory is out. */
struct descriptor_index *descriptor_index_new(struct bytes descriptor_set);
void descriptor_index_free(struct descriptor_index *index);

size_t descriptor_index_file_count(const struct descriptor_index *index);
/* file < count. */
const struct descriptor_file *descriptor_index_file(const struct descriptor_index *index,
                                                    size_t file);
/* -1 if there is none. Symbols are full names without a leading dot: messages,
 * fields, enums, values, services, methods, extensions. */
int descriptor_index_find_file(const struct descriptor_index *index, struct bytes name);
int descriptor_index_find_symbol(const struct descriptor_index *index, struct bytes symbol);
/* The n-th file that a file imports; -1 when there are no more. */
int descriptor_index_import(const struct descriptor_index *index, size_t file, size_t nth);

/* The descriptors of this program's own protos, built in. */
struct bytes descriptor_set_built_in(void);

#endif
