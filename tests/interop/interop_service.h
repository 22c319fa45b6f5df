#ifndef TESTS_INTEROP_INTEROP_SERVICE_H
#define TESTS_INTEROP_INTEROP_SERVICE_H

#include "rpc/service.h"

/* grpc.testing.TestService (gRPC, doc/interop-test-descriptions): what clients
 * of every language try their library on. All methods but UnimplementedCall. */
extern const struct rpc_service interop_service;

#endif
