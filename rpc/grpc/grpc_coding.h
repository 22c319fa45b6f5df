#ifndef RPC_GRPC_CODING_H
#define RPC_GRPC_CODING_H

#include "rpc/grpc/buffer.h"

/* Compressed messages (gRPC, doc/compression): the codings there are, what the
 * two headers say about them, bytes in and bytes out. */

/* The later one is preferred. "deflate" is zlib's format (RFC 1950). */
enum grpc_coding {
    GRPC_IDENTITY,
    GRPC_DEFLATE,
    GRPC_GZIP,
    GRPC_CODING_COUNT,
    GRPC_CODING_UNKNOWN = GRPC_CODING_COUNT
};

#define GRPC_CODINGS "identity,deflate,gzip" /* for grpc-accept-encoding */

/* Of grpc-encoding. */
enum grpc_coding grpc_coding_of(struct bytes name);
struct bytes grpc_coding_name(enum grpc_coding coding);
/* Of grpc-accept-encoding: the preferred one of those listed, and of ours. */
enum grpc_coding grpc_coding_accepted(struct bytes list);

/* What zlib wants to remember from one message to the next: about 300 KB from
 * the first that is compressed, 40 KB from the first that is expanded. A loop's
 * calls share one. */
struct grpc_coder;

struct grpc_coder *grpc_coder_new(void); /* NULL if out of memory */
void grpc_coder_free(struct grpc_coder *coder);

enum grpc_expanded {
    GRPC_EXPANDED,
    GRPC_EXPANDED_CORRUPT,
    GRPC_EXPANDED_TOO_LARGE, /* more than `max`: no more than that was made */
    GRPC_EXPANDED_MEMORY
};

/* Appends what `packed` contains. */
enum grpc_expanded grpc_coder_expand(struct grpc_coder *coder, enum grpc_coding coding,
                                     struct bytes packed, size_t max, struct buffer *plain);

/* Appends `plain`, compressed. False if out of memory. */
bool grpc_coder_compress(struct grpc_coder *coder, enum grpc_coding coding, struct bytes plain,
                         struct buffer *packed);

#endif
