#ifndef RPC_REFLECTION_H
#define RPC_REFLECTION_H

#include "rpc/service.h"

/* grpc.reflection.v1 and v1alpha: tools that have no protos of ours ask which
 * services there are, and get the descriptors as the compiler wrote them. */

struct rpc_reflection;

/* descriptor_set: see descriptor_set_built_in(); borrowed for good, as is the
 * registry, whose services are listed. NULL if it does not parse. */
struct rpc_reflection *rpc_reflection_new(const struct rpc_registry *registry,
                                          struct bytes descriptor_set);
void rpc_reflection_free(struct rpc_reflection *reflection);
/* Adds both versions. */
void rpc_reflection_register(struct rpc_reflection *reflection, struct rpc_registry *registry);

#endif
